"""Finds the real makeflow or work_queue_factory, checks -T mesos, and copies it with the stub beside the copy.

Both programs run the `mf_mesos_scheduler` in the folder of their own binary (read from /proc/self/exe) with
/usr/bin/python. So a copy in another folder runs the stub there, and the user needs no right to write beside the
installed program.
"""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mfmesos.settings.config import ConfigError
from mfmesos.settings.folders import cache_folder
from mfmesos.shared import atomic
from mfmesos.shared.atomic import replacing
from mfmesos.shared.disk import set_times
from mfmesos.shared.messages import launchers as m
from mfmesos.shared.plainerrors import plain

SYSTEM_PYTHON = Path("/usr/bin/python")
STUB = "mf_mesos_scheduler"
MAKEFLOW = "makeflow"
FACTORY = "work_queue_factory"


@dataclass(frozen=True)
class Makeflow:
    """A binary of makeflow or work_queue_factory with its version and batch types."""

    path: Path
    version: str
    batch_types: tuple[str, ...]

    @property
    def has_mesos(self) -> bool:
        return "mesos" in self.batch_types


def find_makeflow(environ: Mapping[str, str]) -> Path:
    """See find_engine."""
    return find_engine(MAKEFLOW, environ)


def find_factory(environ: Mapping[str, str]) -> Path:
    """See find_engine."""
    return find_engine(FACTORY, environ)


def find_engine(name: str, environ: Mapping[str, str]) -> Path:
    """The first binary of that name on PATH, symbolic links resolved; wrapper scripts are skipped.

    Raises ConfigError with the cure if none is found.
    """
    scripts = []
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = Path(folder or ".") / name
        if not (os.path.isfile(candidate) and os.access(candidate, os.X_OK)):
            continue  # also if this user may not enter the folder
        if _is_elf(candidate):
            return candidate.resolve()
        scripts.append(candidate)
        target = _wrapped_binary(candidate, name)
        if target is not None:
            return target.resolve()
    if scripts:
        return scripts[0].resolve()
    raise ConfigError(m.PROGRAM_MISSING(name=name))


def binary_of(path: Path) -> Path:
    """The binary that `path` starts: behind symbolic links and a short wrapper script."""
    return (path if _is_elf(path) else _wrapped_binary(path, path.name) or path).resolve()


def _is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False


def _wrapped_binary(script: Path, name: str) -> Path | None:
    """The binary that a short wrapper script names by its absolute path."""
    try:
        text = script.read_bytes()[:65536].decode(errors="replace")
    except OSError:
        return None
    for match in re.finditer(rf"/[^\s\"'`;$]*{name}[^\s\"'`;$]*", text):
        target = Path(match[0])
        if target != script and _is_elf(target):
            return target
    return None


def speaks_mesos(path: Path) -> bool:
    """Whether the program's file contains the name of the scheduler that -T mesos starts. Running the program to find
    out is far slower (docs/performance.md, Start-up).
    """
    try:
        return STUB.encode() in path.read_bytes()
    except OSError:
        return False


def needs_of_agents(program: Path) -> str:
    """What a dynamically linked program needs on its machine, in words; empty if nothing.

    Raises OSError if the program cannot be read.
    """
    data = program.read_bytes()
    versions = [(int(a), int(b)) for a, b in re.findall(rb"GLIBC_(\d+)\.(\d+)", data)]
    if not versions:
        return ""
    libraries = sorted({name.decode() for name in re.findall(rb"(?<=\0)lib[\w+-]+\.so\.\d+(?=\0)", data)}
                       - {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"})
    return " and ".join([m.NEEDS_OF_AGENTS(version=".".join(map(str, max(versions)))), *libraries])


def probe(path: Path, environ: Mapping[str, str]) -> Makeflow:
    """Ask a program for its version and batch types; raises ConfigError if it does not start."""
    help_text = _ask(path, "--help", environ)
    version = re.search(r"version (\S+)", _ask(path, "--version", environ))
    types = re.search(r"--batch-type=\S*\s+(?:Select batch system:|Batch system type)([^\n]*)", help_text)
    if types is None:  # before 7.1 the list is on a separate line
        types = re.search(r"--batch-type=[^\n]*\n\s*([^\n]*)", help_text)
    names = re.findall(r"[a-z0-9-]+", types[1].partition("One of:")[2] or types[1]) if types else []
    return Makeflow(path, version[1] if version else "unknown", tuple(names))


def _ask(path: Path, option: str, environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [str(path), option], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=30, env=dict(environ), check=False)
    except (OSError, subprocess.SubprocessError) as e:
        raise ConfigError(m.PROGRAM_BROKEN(path=path, why=plain(e))) from None
    text = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        last = text.strip().splitlines()[-1:] or [m.NO_OUTPUT()]
        raise ConfigError(m.PROGRAM_FAILS(path=path, option=option, code=done.returncode, why=last[0]))
    return text


def require_mesos(makeflow: Makeflow) -> None:
    """Raises ConfigError if this makeflow has no -T mesos."""
    if not makeflow.has_mesos:
        raise ConfigError(m.PROGRAM_WITHOUT_MESOS(path=makeflow.path, version=makeflow.version))


def require_python(python: Path = SYSTEM_PYTHON) -> None:
    """Raises ConfigError if the engine could not start any scheduler (the engine would spin for ever)."""
    if not os.access(python, os.X_OK):
        raise ConfigError(m.PYTHON_MISSING(path=python))


def private_copy(engine: Path, state_dir: Path, environ: Mapping[str, str], name: str = MAKEFLOW) -> Path:
    """A copy of the engine, as `name`, with the stub beside it, under `state_dir` or, if files there cannot be
    executed, in the cache.

    `lib` beside the copy's folder is a link to the original's `lib`, since conda's binaries look for their libraries
    there. Raises ConfigError if both places fail.
    """
    key = hashlib.sha256(str(engine).encode()).hexdigest()[:12]
    problems = []
    cache = cache_folder(environ)
    for base in (state_dir / name, *([cache / f"{name}-{key}"] if cache else [])):
        try:
            base.mkdir(parents=True, exist_ok=True)
            if os.statvfs(base).f_flag & os.ST_NOEXEC:
                problems.append(m.NOT_EXECUTABLE_THERE(folder=base))
                continue
            return _populate(base, engine, name)
        except OSError as e:
            problems.append(plain(e))
    raise ConfigError(m.NO_PLACE_FOR_COPY(name=name, problems="; ".join(problems)))


def _populate(base: Path, engine: Path, name: str) -> Path:
    bindir = base / "bin"
    bindir.mkdir(exist_ok=True)
    copy = bindir / name
    if not _same(copy, engine):
        with replacing(copy, mode=0o755, exact=True, several=True) as new:  # the old copy may be running
            _copy(engine, new)
    stub = Path(__file__).with_name("makeflow_stub.py").read_bytes()
    target = bindir / STUB
    if not target.exists() or target.read_bytes() != stub:
        atomic.write(target, stub, mode=0o755, exact=True, several=True)
    _link_libraries(base / "lib", engine.parent.parent / "lib")
    return copy


def _same(copy: Path, original: Path) -> bool:
    try:
        a, b = copy.stat(), original.stat()
    except FileNotFoundError:
        return False
    return (a.st_size, int(a.st_mtime)) == (b.st_size, int(b.st_mtime)) and os.access(copy, os.X_OK)


def _copy(source: Path, target: Path) -> None:
    found = source.stat()
    shutil.copyfile(source, target)
    set_times(str(target), found.st_atime_ns, found.st_mtime_ns)


def _link_libraries(link: Path, target: Path) -> None:
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    link.unlink(missing_ok=True)
    if target.is_dir():
        link.symlink_to(target)


def takes_preload(makeflow: Path, library: Path) -> bool:
    """Whether glibc's dynamic linker will load `library` into `makeflow`: both must be for the same machine."""
    ours, theirs = library.read_bytes()[:20], makeflow.read_bytes()
    return ours[:5] == theirs[:5] and ours[18:20] == theirs[18:20] and b"/ld-linux" in theirs


def preload_library() -> Path | None:
    """The preloaded library for makeflow, if it was built."""
    found = sorted(Path(__file__).parent.glob("_makeflow_preload*.so"))
    return found[0] if found else None
