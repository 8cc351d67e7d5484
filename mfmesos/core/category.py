"""What kind of task a command is, when nobody says: the program that it runs."""
from __future__ import annotations

import re

from mfmesos.core.model import Task

_ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
_WORDS = re.compile(r"""(?:[^\s"';|&<>()]+|"[^"]*"|'[^']*')+""")
_WRAPPERS = frozenset({"time", "nice", "env", "exec", "nohup", "sh", "bash", "python", "python3", "perl", "Rscript"})


def category_of(task: Task) -> str:
    """The category that was given, else the base name of the first word of the command that is a program of the
    user's own: variable assignments, options and interpreters before it are passed over."""
    if task.category:
        return task.category
    first = ""
    for word in _WORDS.findall(task.command):
        if _ASSIGNMENT.match(word) or word.startswith("-") or word.isdigit():
            continue
        name = str(word.strip("\"'").rsplit("/", 1)[-1])
        first = first or name
        if name not in _WRAPPERS:
            return name or first
    return first or "task"
