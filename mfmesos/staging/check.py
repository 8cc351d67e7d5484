"""What can be known of a task's outputs before it runs: names that can never be put into the workflow's folder."""
from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from mfmesos.core.model import Task
from mfmesos.staging.names import NameRefused, ancestors, check_own, output_name
from mfmesos.staging.tarstream import shown

LONGEST_NAME = 255
LONGEST_PATH = 4095
"""Bytes, of Linux."""


class OutputCheck:
    """For one workflow's folder. `own_files`: names in it that no task may write, besides ours. Thread-safe."""

    def __init__(self, workdir: Path, own_files: Sequence[str] = ()) -> None:
        self._workdir = Path(workdir)
        self._own_files = frozenset(own_files)
        self._base = ""

    def problem(self, task: Task) -> str:
        """The first of them, in one plain line; empty when there is none."""
        return next(self.problems(task), "")

    def problems(self, task: Task) -> Iterator[str]:
        """A plain line for each output that is impossible (blocking: a few calls of lstat)."""
        for name in task.outputs:
            try:
                self._check(name)
            except NameRefused as e:
                yield str(e)

    def _check(self, written: str) -> None:
        name = output_name(self._workdir, written)
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in name.split("/")):
            raise NameRefused(
                f"output {shown(name)}: a name in it is longer than {LONGEST_NAME} bytes; choose a shorter one")
        path = f"{self._workdir}/{name}"
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise NameRefused(
                f"output {shown(name)}: its path is longer than {LONGEST_PATH} bytes; choose a shorter one")
        check_own(name, self._own_files)
        real = self._real_parent(name)
        if real:
            check_own(os.path.relpath(f"{real}/{os.path.basename(name)}", self._base), self._own_files, name)
        if os.path.islink(path) and os.path.isdir(path) and self._leads_out(path):
            raise _outside(name, path)

    def _real_parent(self, name: str) -> str:
        """Where the folder of that output really is, when the way there has a link; empty when it has none."""
        linked = False
        path = ""
        for parent in ancestors(name):
            path = f"{self._workdir}/{parent}"
            try:
                found = os.lstat(path)
            except OSError:
                return ""  # it is made when the output is put in place
            if stat.S_ISLNK(found.st_mode):
                linked = True
                if os.path.isdir(path) and self._leads_out(path):
                    raise _outside(name, path)
            if not os.path.isdir(path):
                raise NameRefused(f"output {shown(name)}: {path} is in the way: it is not a folder; move it away")
        return os.path.realpath(path) if linked else ""

    def _leads_out(self, path: str) -> bool:
        self._base = self._base or os.path.realpath(self._workdir)
        return not (os.path.realpath(path) + "/").startswith(self._base.rstrip("/") + "/")


def _outside(name: str, path: str) -> NameRefused:
    return NameRefused(f"output {shown(name)}: {path} is a symbolic link that leads out of the workflow's folder; "
                       "outputs are put only into it")
