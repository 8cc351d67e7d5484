"""Folders in which tasks have made symbolic links, which are never followed out of the workflow's folder.

A user's own link in an input folder is followed, since its target is needed on the agents. A link in a task's outputs
could lead to any file of the user: it is sent as a link. .mfmesos records which links are which, also for later runs.
"""
from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.symlinks import lies_in, may_lead_to, name_in
from mfmesos.shared.wholelines import open_to_append
from mfmesos.staging.names import ancestors

FILE = "links.jsonl"


class TaskLinks:
    """For one workflow's folder. Thread-safe."""

    def __init__(self, workdir: Path) -> None:
        self._workdir = Path(workdir)
        self._file = self._workdir / STATE_DIR / FILE
        self._lock = threading.Lock()
        self._loaded: set[str] | None = None
        self._base = ""

    def add(self, roots: Iterable[str]) -> None:
        """These outputs have links; call before they are published. Raises OSError."""
        with self._lock:
            known = self._roots()
            new = [root for root in roots if root not in known]
            if not new:
                return
            self._file.parent.mkdir(exist_ok=True)
            with open(open_to_append(self._file), "ab", buffering=0) as f:
                lines = memoryview("".join(json.dumps(root) + "\n" for root in new).encode())
                while lines:
                    lines = lines[f.write(lines):]
            known.update(new)

    def some(self) -> bool:
        """Whether any such folder is known. Raises OSError, like all queries: an unreadable file may list some."""
        with self._lock:
            return bool(self._roots())

    def covers(self, path: str) -> bool:
        """Whether a link at that (real) path may be a task's."""
        with self._lock:
            roots = self._roots()
            self._base = self._base or os.path.realpath(self._workdir)
        name = name_in(self._base, path)
        return name is not None and (name in roots or any(folder in roots for folder in ancestors(name)))

    def leads_out(self, name: str) -> bool:
        """Whether a task's link lies on the way to that name in the folder, and leads to files that are not for
        tasks.
        """
        path = str(self._workdir)
        of_a_task = False
        for part in name.split("/"):
            path = f"{path}/{part}"
            if os.path.islink(path):
                real = f"{os.path.realpath(os.path.dirname(path))}/{part}"
                of_a_task = of_a_task or self.covers(real)
        if not of_a_task:
            return False
        real = os.path.realpath(path)
        if lies_in(self._base, real):
            return lies_in(f"{self._base}/{STATE_DIR}", real)
        return not (os.path.isfile(real) and may_lead_to(real))

    def _roots(self) -> set[str]:
        if self._loaded is None:
            try:
                lines = self._file.read_text(encoding="utf-8").splitlines()
            except FileNotFoundError:
                lines = []
            self._loaded = {root for root in map(_root, lines) if root}
        return self._loaded


def _root(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""
