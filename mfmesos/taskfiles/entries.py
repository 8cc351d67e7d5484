"""The records of a task file, in either format, and the words for invalid records."""
from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence
from typing import Callable, Union

from mfmesos.core.model import Task
from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.values import value

MAX_RECORD = 16 << 20
"""Bytes. A longer record is refused, so that a file that is no task file cannot fill the memory."""
MAX_ID = 2**31 - 1
"""makeflow reads the ID back as a C int."""
SHOWN = 100
"""This many malformed records are reported one by one; the others are counted."""


@value(frozen=True)
class Submitted:
    """A task; `line` is the first line of its record, counted from 1."""

    task: Task
    line: int


@value(frozen=True)
class Withdrawn:
    """The engine has cancelled that task."""

    task_id: int
    line: int


@value(frozen=True)
class Malformed:
    """A record that cannot be run. Its neighbours are not affected.

    `task_id` is set if the engine surely knows the task under that new ID and waits for an answer, so the task must be
    reported as failed. It is None if nobody waits (no number, a second record with the same ID).
    """

    line: int
    text: str
    problem: str
    cure: str
    task_id: int | None = None

    def message(self, path: str | os.PathLike[str]) -> str:
        """FILE:LINE: problem (cure), always one line of printable text."""
        cure = f" ({self.cure})" if self.cure else ""
        return f"{printable(os.fspath(path), limit=4096)}:{self.line}: {self.problem}{cure}"


Record = Union[Submitted, Withdrawn, Malformed]


class Problem(ValueError):
    """Why a record is refused, before its position is known."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure


HERE = "\0"
"""Replaces a folder's name while a record is taken apart: no record holds a NUL."""


class Folder:
    """The workflow's folder under each of its names: makeflow writes the one from getcwd."""

    def __init__(self, workdir: str | os.PathLike[str]) -> None:
        here = os.path.abspath(os.fspath(workdir))
        self._prefixes = tuple({name.rstrip("/") + "/" for name in (here, os.path.realpath(here))})
        self._awkward = tuple(prefix for prefix in self._prefixes if "," in prefix or " " in prefix)

    def split(self, head: str, *, absolute: bool) -> tuple[str, list[str]]:
        """The command and the inputs in `COMMAND,INPUTS`, although the folder's own name may hold commas and spaces.

        `absolute`: each input begins with /, as makeflow writes them: a space before anything else is part of a name.
        """
        for prefix in self._awkward:
            head = head.replace(prefix, f"/{HERE}/")
        command, _, listed = head.rpartition(",")
        if self._awkward:
            command = command.replace(f"/{HERE}/", self._awkward[0])
        inputs: list[str] = []
        for word in listed.split(" "):
            if absolute and inputs and not word.startswith("/"):
                inputs[-1] += f" {word}"
            else:
                inputs.append(word)
        return command, [name.replace(f"/{HERE}/", "./") for name in inputs]

    def relative(self, name: str) -> str:
        """`name` relative to the folder, normalised; a path outside the folder stays absolute."""
        for prefix in self._prefixes:
            if name.startswith(prefix):
                # "/cwd//x" is "x"; a bare "/cwd/" is the folder itself.
                return posixpath.normpath(name[len(prefix):].lstrip("/") or ".")
            if name == prefix[:-1]:
                return "."
        plain = posixpath.normpath(name)
        return "/" + plain.lstrip("/") if plain.startswith("//") else plain

    def whole(self, words: tuple[str, ...], logged: Sequence[str]) -> tuple[str, ...]:
        """The names in `logged` if their pieces, cut at spaces and commas, are `words`; otherwise `words`."""
        if not any(" " in name or "," in name for name in logged):
            return words
        for names in (logged, logged[::-1]):
            if self.names(word for name in names for word in name.replace(",", " ").split(" ")) == words:
                return self.names(names)
        return words

    def pieces(self, name: str) -> tuple[str, ...]:
        """The pieces of an input's name in makeflow's record: it is cut at its commas."""
        return tuple(self.relative(piece) for piece in name.split(",") if piece)

    def names(self, written: Iterable[str]) -> tuple[str, ...]:
        """Relative, in order, each once."""
        return tuple(dict.fromkeys(self.relative(name) for name in written if name))


class CommaNames:
    """Names with commas: makeflow cuts those of inputs into pieces in its records."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], str] = {}
        self._longest = 0

    def add(self, name: str, pieces: tuple[str, ...]) -> None:
        """The workflow has a file with that name."""
        self._known[pieces] = name
        self._longest = max(self._longest, len(pieces))

    def whole(self, words: Sequence[str], exists: Callable[[str], bool]) -> list[str]:
        """`words` with those names restored: the known names, otherwise the names of existing files.

        If the pieces of a known name exist, too, both are meant.
        """
        found: list[str] = []
        at = 0
        while at < len(words):
            end = next((to for to in range(min(len(words), at + self._longest), at, -1)
                        if tuple(words[at:to]) in self._known), 0)
            if end:
                pieces = words[at:end]
                found += [self._known[tuple(pieces)], *(piece for piece in pieces if exists(piece))]
            else:
                end = at + 1
                if end < len(words) and not (exists(words[at]) and exists(words[end])):
                    end = next((to for to in range(at + 2, len(words) + 1) if exists(",".join(words[at:to]))), end)
                found.append(",".join(words[at:end]))
            at = end
        return found


class Ids:
    """The IDs that a file has used, and the number of its malformed records."""

    def __init__(self) -> None:
        self._lines: dict[int, int] = {}
        self.highest = 0
        self.malformed = 0

    def __contains__(self, task_id: int) -> bool:
        return task_id in self._lines

    def line_of(self, task_id: int) -> int | None:
        """The line that has used the ID."""
        return self._lines.get(task_id)

    def take(self, task_id: int, line: int) -> None:
        """Raises Problem if an earlier record has that ID."""
        if task_id in self._lines:
            raise Problem(*m.ID_TWICE.parts(task=task_id, line=self._lines[task_id]))
        self._lines[task_id] = line
        self.highest = max(self.highest, task_id)

    def shown(self, record: Malformed) -> list[Record]:
        """The record, until too many have been reported; a record that the engine waits for is always returned."""
        self.malformed += 1
        if self.malformed <= SHOWN or record.task_id is not None:
            return [record]
        if self.malformed == SHOWN + 1:
            return [Malformed(record.line, record.text, *m.MORE_MALFORMED.parts(count=SHOWN))]
        return []
