"""Files of tasks in shared folders (--shared-fs), as the scheduler sees them."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mfmesos.core.model import Task
from mfmesos.shared.sharedfs import folder_of, path_of, used_by
from mfmesos.shared.symlinks import lies_in
from mfmesos.staging.names import ancestors, relative


class InPlace:
    """`folders`: the shared folders, absolute and without detours. Thread-safe."""

    def __init__(self, workdir: Path, folders: Iterable[str] = ()) -> None:
        self._workdir = Path(workdir)
        self.folders = tuple(folders)

    def used_by(self, task: Task) -> tuple[str, ...]:
        """The shared folders that the task uses."""
        if not self.folders:
            return ()
        words = "\n".join((task.command, *task.env.values()))
        return used_by(self.folders, str(self._workdir), words, (*task.inputs, *task.outputs))

    def folder(self, name: str) -> str:
        """The shared folder of that name; empty if the file is staged."""
        return folder_of(self.folders, path_of(str(self._workdir), name)) if self.folders else ""

    def inputs(self, task: Task) -> frozenset[str]:
        """The (normalised) inputs to use in place. A folder in which another file of the task gets a place is staged:
        nothing must be written into the user's own.
        """
        if not self.folders:
            return frozenset()
        inside = {folder for name in (*task.outputs, *task.urls)
                  for folder in ancestors(relative(self._workdir, name))}
        names = (relative(self._workdir, name) for name in task.inputs)
        return frozenset(name for name in names if name not in inside and self.folder(name))

    def output_stays(self, name: str) -> bool:
        """Whether the command writes the output itself: an absolute name outside of the workflow's folder."""
        return bool(self.folders) and os.path.isabs(relative(self._workdir, name)) and bool(self.folder(name))

    def leads_out(self, name: str) -> bool:
        """Whether a link on the way to that name, or the name itself, leads out of all shared folders (blocking)."""
        real = os.path.realpath(path_of(str(self._workdir), name))
        return not any(lies_in(os.path.realpath(folder), real) for folder in self.folders)
