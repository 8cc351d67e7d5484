"""Checks a task's outputs before it runs: names that can never be published into the workflow's folder."""
from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from mfmesos.core.model import Task
from mfmesos.shared.messages import sharedfs as shared
from mfmesos.shared.messages import staging as m
from mfmesos.shared.symlinks import leads_out
from mfmesos.staging.inplace import InPlace
from mfmesos.staging.names import NameRefused, ancestors, check_own, output_name, real_name
from mfmesos.staging.tarstream import shown

LONGEST_NAME = 255
LONGEST_PATH = 4095
"""Bytes, Linux's limit."""


class OutputCheck:
    """Checks outputs for one workflow's folder. `own_files`: names in it that no task may write, besides mfmesos's own.
    Thread-safe.
    """

    def __init__(self, workdir: Path, own_files: Sequence[str] = (), in_place: InPlace | None = None) -> None:
        self._workdir = Path(workdir)
        self._in_place = in_place or InPlace(workdir)
        self._own_files = frozenset(own_files)

    def problem(self, task: Task) -> str:
        """The first problem, in one plain line; empty if every output is possible."""
        return next(self.problems(task), "")

    def problems(self, task: Task) -> Iterator[str]:
        """One plain line for each impossible output (blocking: a few calls of lstat)."""
        for name in task.outputs:
            try:
                self._check(name)
            except NameRefused as e:
                yield str(e)

    def _check(self, written: str) -> None:
        if self._in_place.output_stays(written):
            if self._in_place.leads_out(written):
                raise NameRefused(shared.SHARED_OUTPUT_ELSEWHERE(
                    name=shown(written), path=shown(written), folder=self._in_place.folder(written)))
            return
        name = output_name(self._workdir, written)
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in name.split("/")):
            raise NameRefused(m.OUTPUT_PART_TOO_LONG(name=shown(name), limit=LONGEST_NAME))
        path = f"{self._workdir}/{name}"
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise NameRefused(m.OUTPUT_PATH_TOO_LONG(name=shown(name), limit=LONGEST_PATH))
        check_own(name, self._own_files)
        if self._lies_behind_a_link(name):
            check_own(real_name(self._workdir, name), self._own_files, name)
        self._check_link(name, path)

    def _lies_behind_a_link(self, name: str) -> bool:
        """Whether all folders above the output exist, and one is a symbolic link. Raises NameRefused."""
        linked = False
        for parent in ancestors(name):
            path = f"{self._workdir}/{parent}"
            try:
                found = os.lstat(path)
            except OSError:
                return False  # it is made when the output is published
            if stat.S_ISLNK(found.st_mode):
                linked = True
                self._check_link(name, path)
            if not os.path.isdir(path):
                raise NameRefused(m.OUTPUT_IN_THE_WAY(name=shown(name), path=path))
        return linked

    def _check_link(self, name: str, path: str) -> None:
        """`path`: of the output or a folder above it. Raises NameRefused for a link to a folder elsewhere."""
        if os.path.islink(path) and os.path.isdir(path) and leads_out(str(self._workdir), path):
            raise NameRefused(m.OUTPUT_LINK_OUTSIDE(name=shown(name), path=path))
