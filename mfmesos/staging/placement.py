"""Delivered outputs get their final names: all of them, or none and what was there before is there still."""
from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.staging.outputs import FULL, OUR_SIDE, PlacementError, Staged, plain_error, remove_tree


@dataclass
class _Move:
    source: str
    final: str
    name: str
    temporary: str = ""
    """Beside the final name, where that is on another file system."""
    backup: str = ""
    """Where what had the final name before has gone, until all is well."""
    done: bool = False


@dataclass
class _Job:
    staged: Staged
    moves: list[_Move] = field(default_factory=list)
    made_folders: list[str] = field(default_factory=list)


def place(workdir: Path, staged: Staged) -> None:
    """Move every output to its final name and remove the rest. Blocking; renames alone unless file systems differ.

    Raises PlacementError; then nothing of `staged` is in the workflow's folder, and all is as it was before.
    """
    job = _Job(staged)
    name = ""
    try:
        for index, name in enumerate(staged.plan.roots):
            _prepare(workdir, job, index, name)
        for move in job.moves:
            name = move.name
            _rename(job, move, alone=len(job.moves) == 1)
    except PlacementError:
        _undo(job)
        raise
    except OSError as e:
        _undo(job)
        gone = e.errno == errno.ENOENT and not os.path.isdir(os.path.dirname(staged.stem))
        raise PlacementError(
            f"output {name} could not be put in place: {plain_error(e)} ({workdir})", gone or e.errno in OUR_SIDE,
            gone or e.errno in FULL) from None
    for move in job.moves:
        if move.backup:
            _remove(move.backup)
    if any(move.temporary for move in job.moves):
        staged.clear()


def _prepare(workdir: Path, job: _Job, index: int, name: str) -> None:
    """Everything that may take long or fail, before the first name changes."""
    move = _Move(job.staged.path(index), f"{workdir}/{name}", name)
    if job.staged.resumed and not os.path.lexists(move.source) and os.path.lexists(move.final):
        return  # placed already, before the scheduler died
    found = os.lstat(move.source)
    parent = os.path.dirname(name)
    folder = f"{workdir}/{parent}" if parent else str(workdir)
    if parent:
        _make_parents(workdir, job, parent)
    with contextlib.suppress(FileNotFoundError):
        there = os.lstat(move.final)
        if stat.S_ISDIR(there.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise PlacementError(
                f"output {name} is a file, but a folder of that name is in {workdir}; move it away", True)
    job.moves.append(move)  # known to _undo while it is copied
    if os.stat(folder).st_dev != found.st_dev:
        _copy_beside(job, move)


def _make_parents(workdir: Path, job: _Job, parent: str) -> None:
    """Make the folders on the way, and see that none of them leads out of the workflow's folder."""
    base = os.path.realpath(workdir)
    path = str(workdir)
    for part in parent.split("/"):
        path = f"{path}/{part}"
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise PlacementError(f"{path} is in the way: it is not a folder; move it away", True) from None
            if os.path.islink(path) and not (os.path.realpath(path) + "/").startswith(base + "/"):
                raise PlacementError(
                    f"{path} is a symbolic link that leads out of the workflow's folder; outputs are put only into it",
                    True) from None
        else:
            job.made_folders.append(path)


def _copy_beside(job: _Job, move: _Move) -> None:
    move.temporary = f"{os.path.dirname(move.final)}/.mfmesos-{os.path.basename(move.source)}"
    _copy(move.source, move.temporary)


def _copy(source: str, target: str) -> None:
    if os.path.isdir(source):
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        _same_modes(source, target)
        return
    shutil.copyfile(source, target, follow_symlinks=False)
    shutil.copymode(source, target, follow_symlinks=False)


def _same_modes(source: str, target: str) -> None:
    for folder, _, files in os.walk(source):
        there = target + folder[len(source):]
        for name in files:
            shutil.copymode(f"{folder}/{name}", f"{there}/{name}")


def _rename(job: _Job, move: _Move, alone: bool) -> None:
    if not (alone and not os.path.isdir(move.source)):
        _keep(job, move)
    try:
        os.rename(move.temporary or move.source, move.final)
    except OSError as e:
        if e.errno != errno.EXDEV or move.temporary:
            raise
        # Another mount of the same file system.
        _copy_beside(job, move)
        os.rename(move.temporary, move.final)
    move.done = True


def _keep(job: _Job, move: _Move) -> None:
    """Keep what has the final name, so that it can come back."""
    try:
        there = os.lstat(move.final)
    except FileNotFoundError:
        return
    backup = f"{move.temporary or move.source}.old"
    if stat.S_ISREG(there.st_mode) and not os.path.isdir(move.source):
        try:
            # A second name for it: the first one is then replaced without a moment in which nothing has it.
            os.link(move.final, backup)
        except OSError:
            os.rename(move.final, backup)
    else:
        os.rename(move.final, backup)
    move.backup = backup


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except IsADirectoryError:
        remove_tree(path)
    except OSError:
        pass


def _undo(job: _Job) -> None:
    for move in reversed(job.moves):
        with contextlib.suppress(OSError):
            if move.done and not move.backup:
                _remove(move.final)
            elif move.backup:
                if move.done and os.path.isdir(move.final):
                    remove_tree(move.final)
                os.rename(move.backup, move.final)
                # Both may have been names of one file: then renaming did nothing.
                if os.path.lexists(move.backup):
                    os.unlink(move.backup)
        if move.temporary:
            _remove(move.temporary)
    for folder in reversed(job.made_folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    job.staged.discard()
