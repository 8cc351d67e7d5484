"""The rooms of docs/design.md against what the code imports."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DESIGN = (ROOT / "docs" / "design.md").read_text()
ALWAYS = {"mfmesos"}
"""The package itself, which holds its version."""


def sources() -> dict[str, Path]:
    """Our modules by name."""
    found = {}
    for top in (ROOT / "mfmesos", ROOT / "executor" / "mfmesos_executor"):
        for path in top.rglob("*.py"):
            inside = path.relative_to(top.parent)
            if inside.parts[:2] == ("mfmesos", "bundled") and len(inside.parts) > 3:
                continue  # not ours
            found[".".join(inside.with_suffix("").parts).removesuffix(".__init__")] = path
    return found


MODULES = sources()


def room_of(module: str) -> str:
    first, _, rest = module.partition(".")
    return "../executor" if first == "mfmesos_executor" else rest.partition(".")[0]


def imports(path: Path) -> Iterator[str]:
    """All that a file imports of ours, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not looked at"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.partition(".")[0] in ("mfmesos", "mfmesos_executor"):
                yield name if name in MODULES else name.rpartition(".")[0]


def table() -> dict[str, set[str]]:
    """What each room may import, as docs/design.md has it."""
    rows = re.findall(r"^\| `([a-z./]+)/` \| [^|]+ \| ([^|]*)\|$", DESIGN, re.MULTILINE)
    return {room: {word.strip() for word in allowed.split(",") if word.strip()} for room, allowed in rows}


VALUES = set(re.findall(r"`(\w+)`", DESIGN.partition('"core\'s values" are the modules')[2].partition(":")[0]))


def is_allowed(target: str, allowed: set[str], own: str) -> bool:
    room = room_of(target)
    if target in ALWAYS or room in allowed or "everything" in allowed:
        return True
    if room == "core" and "core's values" in allowed:
        return target.removeprefix("mfmesos.core.") in VALUES
    return "everything but cli" in allowed and room != "cli"


@pytest.mark.parametrize("room", sorted(table()))
def test_a_room_imports_no_more_than_the_table_says(room):
    """Imports within functions and under TYPE_CHECKING count as well."""
    allowed = table()[room]
    wrong = [f"{module} imports {target}" for module, path in MODULES.items() if room_of(module) == room
             for target in imports(path) if room_of(target) != room and not is_allowed(target, allowed, room)]
    assert wrong == []


def test_the_table_names_every_room():
    """And none that is not there; beside the rooms lie only the modules that the text below the table names."""
    rooms = {room_of(name) for name in MODULES}
    assert rooms - set(table()) == {"", "__main__", "start", "aio", "bundled"}
    assert set(table()) - rooms == set()
    assert all((ROOT / "mfmesos" / "core" / f"{name}.py").is_file() for name in VALUES)


def test_the_table_has_no_cycle():
    """A room that may import another is not imported by it, however far around."""
    allowed = {room: {word.removesuffix("'s values") for word in words} for room, words in table().items()}
    everything = set(allowed)
    for room, words in allowed.items():
        if "everything" in words:
            allowed[room] = everything - {room}
        elif "everything but cli" in words:
            allowed[room] = everything - {room, "cli"}
    waiting = {room: words & everything for room, words in allowed.items()}
    while waiting:
        free = [room for room, words in waiting.items() if not words & set(waiting)]
        assert free, f"a cycle among {sorted(waiting)}"
        for room in free:
            del waiting[room]


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected parts of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            part = stack[stack.index(name):]
            del stack[stack.index(name):]
            if len(part) > 1:
                found.append(sorted(part))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def test_no_cycle_among_modules():
    """Neither one that hides behind an import in a function."""
    graph = {name: {t for t in imports(path) if t in MODULES and t != name} for name, path in MODULES.items()}
    assert cycles(graph) == []


def test_no_name_for_two_things():
    """No two files have the same name, but those that Python names, and the tables of messages: their names are of the
    rooms and modules that they serve."""
    ours = [path for path in MODULES.values() if not path.stem.startswith("__") and path.parent.name != "messages"]
    names = [path.stem for path in ours]
    assert {name for name in names if names.count(name) > 1} == set()


def test_no_module_is_too_long():
    """400 lines at most."""
    assert [name for name, path in MODULES.items() if len(path.read_text().splitlines()) > 400] == []
