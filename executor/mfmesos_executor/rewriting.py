"""Replaces the absolute paths of a task's files in its command by their paths on the agent.

A path is replaced where it stands for a file in a word of the shell: the whole word, the value of --option=PATH, -IPATH
and NAME=PATH, lists (A:B, A,B), a path below a folder, and the target of a redirection. Text is never replaced:
here-documents, comments, and other content of a word with spaces.
"""
from __future__ import annotations

import os
import re
from typing import Mapping

from mfmesos_executor.shellwords import EXPANSION, Edit, Found, edited

_QUOTES = str.maketrans("", "", "\\'\"")
_SPACES = re.compile(r"\s")
_NAME = re.compile(r"[A-Za-z_]\w*\+?=")


def rewrite(command: str, places: Mapping[str, str]) -> str:
    """`places`: each path's place on this agent."""
    if "/" not in command:
        return command
    bare = command.translate(_QUOTES)
    present = [path for path in places if path.startswith("/") and path != "/" and path.translate(_QUOTES) in bare]
    if not present:
        return command
    paths = _Paths({path: places[path] for path in present})
    return edited(command, Found(paths.in_word, paths.in_target))


class _Paths:
    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        one = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
        self._in_word = re.compile(rf"(?:\A(?:-[A-Za-z])?|[=:,])({one})(?=[/:,={EXPANSION}]|\Z)")
        self._whole = re.compile(rf"(?:-[A-Za-z]|-{{1,2}}[\w-]+=|[A-Za-z_]\w*\+?=)?({one})(/.*)?\Z", re.DOTALL)
        self._target = re.compile(rf"({one})(?=[/{EXPANSION}]|\Z)")

    def in_word(self, text: str) -> list[Edit]:
        """A word with spaces counts if all of it is one name, or a variable's list of names."""
        if not _SPACES.search(text):
            return [self._edit(found) for found in self._in_word.finditer(text)]
        whole = self._whole.match(text)
        if whole is None:
            return self._in_list(text)
        rest = whole[2] or ""
        if _SPACES.search(rest) and not os.path.lexists(self._places[whole[1]] + rest):
            return []  # text such as "/data/ref/x is missing", not a name with spaces
        return [self._edit(whole)]

    def in_target(self, text: str) -> list[Edit]:
        found = self._target.match(text)
        return [self._edit(found)] if found else []

    def _in_list(self, text: str) -> list[Edit]:
        """FILES="/data/a /data/b": nothing but names and options."""
        name = _NAME.match(text)
        edits: list[Edit] = []
        for part in re.compile(r"\S+").finditer(text, name.end()) if name else ():
            found = self.in_word(part[0])
            if not found and not part[0].startswith("-"):
                return []
            edits += [(start + part.start(), end + part.start(), place) for start, end, place in found]
        return edits

    def _edit(self, found: re.Match[str]) -> Edit:
        return found.start(1), found.end(1), self._places[found[1]]
