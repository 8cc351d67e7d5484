"""The sources' messages to users, read from their syntax trees: calls of messages, and text outside the table."""
from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = "mfmesos.shared.messages"
CHANNELS = {
    # What they are given reaches the user as it is. `exceptions` finds our exceptions.
    "say", "line", "echo", "_echo", "fail", "exit", "note", "_note", "note_alike", "Note", "_say", "_complain",
    "UsageError", "BadParameter", "ClickException", "Problem", "Malformed", "Leftover", "Finding", "Decision",
    "Exceeded", "_result", "Result",
}
NOT_FOR_USERS = {
    # Log lines, patterns, SQL.
    "log", "logger", "logging", "re", "execute", "executemany", "executescript",
    # Help texts: click and argparse show them; they are no messages.
    "option", "argument", "group", "version_option", "add_argument", "ArgumentParser",
    # Bugs of ours: they end in a traceback.
    "TypeError", "AssertionError", "RuntimeError", "NotImplementedError", "ImpossibleMove",
}
UNITS = {"mb", "kb", "gb", "tb", "bytes", "min", "http"}
WORD = re.compile(r"(?<![\w/.%@$=<-])[A-Za-z][a-z']+(?![\w/=(@<-])")


@dataclass(frozen=True)
class Call:
    """One use of a message."""

    where: str
    module: str
    name: str
    fields: frozenset[str] | None
    """None: the message is not called, or with arguments that the test cannot see."""
    parts: bool


@dataclass(frozen=True)
class Text:
    """A literal that reads like a message."""

    file: str
    line: int
    text: str


def sources() -> list[Path]:
    """All modules but the table itself."""
    table = ROOT / TABLE.replace(".", "/")
    return [path for folder in ("mfmesos", "executor") for path in sorted((ROOT / folder).rglob("*.py"))
            if table not in path.parents]


def room(path: Path) -> str:
    """"cli", "executor" ...; a module beside the rooms is one by itself."""
    parts = path.relative_to(ROOT).parts
    return "executor" if parts[0] == "executor" else parts[1]


def calls(path: Path) -> Iterator[Call]:
    """Every use of a message in a module."""
    tree = ast.parse(path.read_text())
    modules, names = _imported(tree)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    through_parts = {id(node.value): node for node in ast.walk(tree)
                     if isinstance(node, ast.Attribute) and node.attr == "parts"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            module, name = modules[node.value.id], node.attr
        elif isinstance(node, ast.Name) and node.id in names:
            module, name = names[node.id]
        else:
            continue
        parts = through_parts.get(id(node))
        call = called.get(id(parts if parts is not None else node))
        known = call is not None and not call.args and all(word.arg for word in call.keywords)
        fields = frozenset(word.arg or "" for word in call.keywords) if call is not None and known else None
        yield Call(f"{path.relative_to(ROOT)}:{node.lineno}", module, name, fields, parts is not None)


def _imported(tree: ast.Module) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Modules of the table and messages by the names that a module gives them."""
    modules: dict[str, str] = {}
    names: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == TABLE:
            modules.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{TABLE}."):
            inner = node.module.rpartition(".")[2]
            names.update({alias.asname or alias.name: (inner, alias.name) for alias in node.names})
    return modules, names


def exceptions(paths: list[Path]) -> set[str]:
    """Exception classes of ours."""
    return {node.name for path in paths for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ClassDef)
            and any(_name(base).endswith(("Error", "Exception", "Refused")) for base in node.bases)}


def texts(path: Path, channels: set[str]) -> list[Text]:
    """Literals that a user may read and that are not in the table: any sentence, and in a channel's call any words."""
    found: list[Text] = []
    file = str(path.relative_to(ROOT))

    def visit(node: ast.AST, least: int) -> None:
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or isinstance(node, ast.Assert):
            return  # a docstring, or a bug of ours
        if isinstance(node, ast.Call):
            owner = _name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            if _name(node.func) in NOT_FOR_USERS or owner in NOT_FOR_USERS:
                return
            least = 1 if _name(node.func) in channels else 2
        text = _literal(node)
        if text is not None:
            words = [word for word in WORD.findall(text) if word.lower() not in UNITS and word != "mfmesos"]
            if " " in text.strip() and len(words) >= least:
                found.append(Text(file, getattr(node, "lineno", 0), text))
        if not isinstance(node, ast.Constant):
            for child in ast.iter_child_nodes(node):
                if text is None or not isinstance(child, ast.Constant):
                    visit(child, least)

    visit(ast.parse(path.read_text()), 2)
    return found


def _literal(node: ast.AST) -> str | None:
    """A string, or an f-string with its values as {}."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _name(node: ast.AST) -> str:
    """The last part of a name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
