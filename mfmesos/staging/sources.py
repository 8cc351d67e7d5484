"""Finds the files that make up the executor, where the packages are installed."""
from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from mfmesos import bundled
from mfmesos.shared.messages import staging as m

Source = Path
_IMPORT = re.compile(r"^\s*(?:from|import)\s+(mfmesos\b[\w.]*)(?:\s+import\s+(\([^)]*\)|.*))?", re.MULTILINE)
NEEDED = {
    "mfmesos_executor": m.REINSTALL(),
    "pymesos": m.PIP_INSTALL(package="pymesos"),
    "addict": m.PIP_INSTALL(package="addict"),
    "h11": m.PIP_INSTALL(package="h11"),
    "http_parser": m.INSTALL_HTTP_PARSER(),
    "psutil": m.PIP_INSTALL(package="psutil"),
}
ROOMS = ("bundled", "mesos", "shared", "shared.messages")
"""Rooms of mfmesos with modules of the executor."""
NOT_ON_AGENTS = {
    # ZooKeeper, and the parts for other platforms.
    "pymesos/detector.py", "pymesos/zkpython.py", "psutil/_psaix.py", "psutil/_psbsd.py", "psutil/_psosx.py",
    "psutil/_pssunos.py", "psutil/_pswindows.py",
}


class ArchiveError(Exception):
    """The executor's archive cannot be built; one plain line with the cure."""


def _folder(package: str, cure: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ArchiveError(m.ARCHIVE_LACKS(package=package, what_to_do=cure))
    return Path(next(iter(spec.submodule_search_locations)))


def roots() -> dict[str, Path]:
    """Each package's folder, or the file of a single-file module. Raises ArchiveError."""
    here = Path(__file__).resolve().parent.parent
    bundled.use()
    found = {package: _folder(package, cure) for package, cure in NEEDED.items()}
    six = importlib.util.find_spec("six")
    if six is None or not six.origin:
        raise ArchiveError(m.ARCHIVE_LACKS_SIX())
    found["six"] = Path(six.origin)
    found["mfmesos"] = here
    found.update({f"mfmesos.{room}": here / room.replace(".", "/") for room in ROOMS})
    return found


def find_sources() -> dict[str, Source]:
    """Names in the archive and the files they come from. Raises ArchiveError."""
    places = roots()
    if list(places["http_parser"].glob("*.so")):
        raise ArchiveError(m.PARSER_COMPILED())
    found = {"six.py": places["six"]}
    for package in NEEDED:
        for path in sorted(places[package].iterdir()):
            name = f"{package}/{path.name}"
            if name not in NOT_ON_AGENTS and path.suffix in (".py", ".so"):
                found[name] = path
    found.update(_our_own(places))
    return found


def _our_own(places: dict[str, Path]) -> dict[str, Source]:
    """The modules of mfmesos that the executor imports, directly or indirectly."""
    base = places["mfmesos"]
    found: dict[str, Source] = {"mfmesos/__init__.py": base / "__init__.py"}
    waiting = list(places["mfmesos_executor"].glob("*.py"))
    while waiting:
        for module in _imports(waiting.pop()):
            for path in _files(base, module):
                name = f"mfmesos/{path.relative_to(base)}"
                if name not in found:
                    found[name] = path
                    waiting.append(path)
    return found


def _imports(path: Path) -> Iterator[str]:
    """Names that may be modules of mfmesos: extra names do no harm, and ast would be slower (docs/performance.md,
    Start-up).
    """
    for module, names in _IMPORT.findall(path.read_text(encoding="utf-8")):
        yield module
        yield from (f"{module}.{name}" for name in re.findall(r"\w+", names))


def _files(base: Path, module: str) -> Iterator[Path]:
    """The file of a module and the __init__ of each package above it."""
    path = base
    for part in module.split(".")[1:]:
        if (path / "__init__.py").is_file():
            yield path / "__init__.py"
        path = path / part
    if path.with_suffix(".py").is_file():
        yield path.with_suffix(".py")
    elif (path / "__init__.py").is_file():
        yield path / "__init__.py"
