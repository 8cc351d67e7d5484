"""The sandbox of an attempt: the path of each name, and the command with its absolute paths replaced."""
from __future__ import annotations

import os

from mfmesos.shared.messages import executor as m
from mfmesos.shared.symlinks import lies_in, name_in
from mfmesos.shared.wire import Input, Run
from mfmesos_executor.rewriting import rewrite


class BadName(ValueError):
    """A name that no sandbox can hold; one plain line."""


def normal(workdir: str, name: str) -> str:
    """`name` without detours, relative to the workflow's folder if it lies there (it may begin with ../)."""
    if not name or "\0" in name:
        raise BadName(m.BAD_FILE_NAME(name=name))
    if "/" not in name:
        return name
    path = os.path.normpath(name)
    if not os.path.isabs(path):
        return path
    path = "/" + path.lstrip("/")
    base = os.path.normpath(workdir or "/").rstrip("/")
    found = name_in(base, path) if base else None
    return path if found is None else found


def _depth(name: str) -> int:
    depth = 0
    while name == ".." or name.startswith("../"):
        depth += 1
        name = name[3:]
    return depth


class Sandbox:
    """
    root/work/...   the working folder, as deep as ../ needs, named as the end of the workflow's folder is
    root/abs/...    absolute names
    root/tmp        TMPDIR
    root/out, err   stdout and stderr

    `seen` is a shorter name of `root`, by which the task finds its folders.
    """

    def __init__(self, root: str, run: Run, seen: str = "") -> None:
        """Raises BadName."""
        self.root = root
        self._seen = seen or root
        self.inputs: dict[str, Input] = {}
        self.in_place: dict[str, Input] = {}
        """Inputs in shared folders."""
        for item in run.inputs:
            (self.in_place if item.in_place else self.inputs).setdefault(normal(run.workdir, item.name), item)
        self.stay: list[str] = list(dict.fromkeys(normal(run.workdir, name) for name in run.stay))
        """Outputs that the command writes into shared folders by itself."""
        names = [normal(run.workdir, name) for name in run.outputs]
        self.outputs: list[str] = [name for name in dict.fromkeys(names) if name not in self.stay]
        kept_back = {normal(run.workdir, name) for name in (*run.temporary, *run.discard)}
        self.delivered = [name for name in self.outputs if name not in kept_back] if kept_back else self.outputs
        """The outputs that are delivered."""
        depth = max([_depth(name) for name in [*self.inputs, *self.in_place, *self.outputs]] or [0])
        parts = [p for p in run.workdir.split("/") if p not in ("", ".", "..")]
        folders = (["up"] * depth + parts)[-depth:] if depth else []
        self.work = "/".join([root, "work", *folders])
        self.home = self._as_seen(self.work)
        """The working folder in the task's view."""
        self.workdir = os.path.normpath(run.workdir) if run.workdir else ""
        """The workflow's folder, on the scheduler's side."""
        self.temporary = f"{self._seen}/tmp"
        self.stdout, self.stderr = f"{root}/out", f"{root}/err"
        self._run = run

    def path(self, name: str) -> str:
        """The path of a (normal) name."""
        if name.startswith("/"):
            return f"{self.root}/abs{name}"
        if _depth(name):
            return os.path.normpath(f"{self.work}/{name}")
        return self.work if name == "." else f"{self.work}/{name}"

    def _as_seen(self, path: str) -> str:
        return self._seen + path[len(self.root):]

    def make(self) -> None:
        """Create the folders that its skeleton lacks, including those of the outputs."""
        if self.work != f"{self.root}/work":
            os.makedirs(self.work, 0o755, exist_ok=True)
        for name in self.outputs:
            if "/" in name:
                os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)

    def contains(self, path: str) -> bool:
        """Whether a real path lies in the task's folders."""
        root = os.path.realpath(self.root)
        return any(lies_in(f"{root}/{part}", path) for part in ("work", "abs", "tmp"))

    def command(self) -> str:
        """The command, with each absolute path of a declared file replaced by its path here, unless the file is used in
        place.
        """
        if "/" not in self._run.command or not self._run.rewrite:
            return self._run.command
        places: dict[str, str] = {}
        for name in [*self.inputs, *self.outputs]:
            if name.startswith("/"):
                places[name] = self._as_seen(self.path(name))
            elif name != "." and self._run.workdir:
                places[os.path.normpath(f"{self._run.workdir}/{name}")] = self._as_seen(self.path(name))
        for declared in [*(i.name for i in self._run.inputs if not i.in_place), *self._run.outputs]:
            if declared in self._run.stay:
                continue
            literal = declared if declared.startswith("/") else f"{self._run.workdir}/{declared}"
            places.setdefault(literal, self._as_seen(self.path(normal(self._run.workdir, declared))))
        return rewrite(self._run.command, places)
