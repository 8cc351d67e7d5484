"""Publishes received outputs: all get their final names, or everything stays as it was before.

A folder whose final name exists is merged into the existing folder, as if the command had run here: what the task made
replaces what has the same name, and everything else stays.
"""
from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.shared.disk import capacity, copy_sparse, occupied, remove_tree, set_mode, set_times
from mfmesos.shared.holes import sparse
from mfmesos.shared.messages import staging as m
from mfmesos.shared.symlinks import leads_out
from mfmesos.staging.names import KEPT, NameRefused, check_own, free_name, real_name
from mfmesos.staging.publish_errors import PublishError, of_system
from mfmesos.staging.received import Received

log = logging.getLogger("mfmesos.publishing")
_IN_USE = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
"""Errors of a rename: another task's output got that name after the plan was made."""


@dataclass
class _Move:
    source: str
    final: str
    name: str
    is_dir: bool
    beside: bool = False
    """The backup goes beside the final name: the incoming folder is on another file system."""
    backup: str = ""
    """The path of the file that had the final name before, until the delivery is published."""
    kept: bool = False
    """The backup is kept for good: a folder replaces a file that somebody may miss."""
    linked: bool = False
    """A link lies on the way to the final name."""
    done: bool = False


@dataclass
class _Job:
    workdir: str
    received: Received
    own_files: Iterable[str]
    moves: list[_Move] = field(default_factory=list)
    made_folders: list[str] = field(default_factory=list)
    temporaries: list[str] = field(default_factory=list)
    """Copies beside the final names, if those are on another file system."""
    backups: int = 0
    merged: bool = False


def publish(workdir: Path, received: Received, own_files: Iterable[str] = ()) -> None:
    """Move every output to its final name and remove the rest. Blocking; only renames, unless file systems differ.

    `own_files`: names in the workflow's folder that no task may write, besides mfmesos's own. Raises PublishError; then
    nothing of `received` is in the workflow's folder, and everything is as before.
    """
    if _publish_file(workdir, received):
        return
    job = _Job(str(workdir), received, own_files)
    name = ""
    try:
        for index, name in enumerate(received.plan.roots):
            _prepare(job, index, name)
        waiting = job.moves[::-1]
        alone = len(waiting) == 1 and not waiting[0].is_dir
        while waiting:
            name = waiting[-1].name
            waiting.extend(reversed(_rename(job, waiting.pop(), alone)))
    except PublishError:
        _undo(job)
        raise
    except OSError as e:
        problem = _problem(job, name, e)
        _undo(job)
        raise problem from None
    for move in job.moves:
        if move.kept:
            log.warning(
                "event=kept a folder took the place of the file %s, which is kept as %s", move.final, move.backup)
        elif move.backup:
            remove_tree(move.backup)
    for path in job.temporaries:
        remove_tree(path)
    if job.merged or job.temporaries:
        received.clear()


def _publish_file(workdir: Path, received: Received) -> bool:
    """Publish one new file in the workflow's folder itself, the usual delivery, with one call of the system; False if
    it is something else, or something is in the way (docs/performance.md, Staging).
    """
    roots = received.plan.roots
    if len(roots) != 1 or "/" in roots[0] or received.folders or received.resumed:
        return False
    try:
        os.rename(received.path(0), f"{workdir}/{roots[0]}")
    except OSError:
        return False
    return True


def _problem(job: _Job, name: str, e: OSError) -> PublishError:
    """The error in plain words. Missing space counts only if freeing disk space could help."""
    path = f"{job.workdir}/{name}"
    folder = os.path.dirname(path)
    if e.errno == errno.ENOSPC:
        with contextlib.suppress(OSError):
            needed, most = occupied(job.received.path(job.received.plan.roots.index(name))), capacity(folder)
            if needed > most:
                return PublishError(m.OUTPUT_LARGER_THAN_DISK(
                    name=name, needed=needed >> 20, folder=folder, most=most >> 20), True)
    gone = e.errno == errno.ENOENT and _incoming_is_gone(job)
    return of_system(m.OUTPUT_NOT_PUBLISHED(name=name), e, f" ({folder})", gone=gone)


def _incoming_is_gone(job: _Job) -> bool:
    """The incoming folder was removed during the run: it is made again, and the task waits as for a full disk."""
    return not os.path.isdir(job.received.incoming)


def _prepare(job: _Job, index: int, name: str) -> None:
    """Do everything that may take long or fail before the first name changes."""
    source, final = job.received.path(index), f"{job.workdir}/{name}"
    try:
        found = os.lstat(source)
    except FileNotFoundError:
        if job.received.partial or (job.received.resumed and os.path.lexists(final)):
            return  # never made, or published already, before the scheduler died
        gone = _incoming_is_gone(job)
        raise PublishError(m.OUTPUT_VANISHED(name=name, folder=job.received.incoming), gone, gone) from None
    parent = os.path.dirname(name)
    folder = f"{job.workdir}/{parent}" if parent else job.workdir
    if parent:
        _make_parents(job, name, parent)
    beside = os.stat(folder).st_dev != found.st_dev
    if beside:
        source = _copy_beside(job, source, final)
    job.moves += _moves(job, _Move(source, final, name, stat.S_ISDIR(found.st_mode), beside))


def _make_parents(job: _Job, name: str, parent: str) -> None:
    """Create the folders above the name, and check that none leads out of the workflow's folder."""
    path, linked = job.workdir, False
    for part in parent.split("/"):
        path = f"{path}/{part}"
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise PublishError(m.PATH_IN_THE_WAY(path=path), True) from None
            if os.path.islink(path):
                linked = True
                if leads_out(job.workdir, path):
                    raise _outside(path) from None
        else:
            job.made_folders.append(path)
    if linked:
        _check_own(job, name)


def _check_own(job: _Job, name: str) -> None:
    """A name with links above it may be a file that no task may write."""
    try:
        check_own(real_name(job.workdir, name), job.own_files)
    except NameRefused as e:
        raise PublishError(m.LEADS_TO_OWN(problem=e, name=name), True) from None


def _outside(path: str) -> PublishError:
    return PublishError(m.PATH_LINK_OUTSIDE(path=path), True)


def _moves(job: _Job, move: _Move, inside: bool = False) -> list[_Move]:
    """The renames to the final name: one, unless a folder is merged into an existing one. `inside`: it lies in such a
    folder, so that very name is not declared.
    """
    if move.linked:
        _check_own(job, move.name)
    existing = _lstat(move.final)
    if existing is None:
        return [move]
    if not move.is_dir:
        if stat.S_ISDIR(existing.st_mode):
            raise PublishError(m.FOLDER_IN_THE_WAY(name=move.name, workdir=job.workdir), True)
        return [move]
    if not os.path.isdir(move.final):
        if inside:
            raise PublishError(m.FILE_IN_THE_WAY(name=move.name, workdir=job.workdir), True)
        return [move]
    link = stat.S_ISLNK(existing.st_mode)
    if link and leads_out(job.workdir, move.final):
        raise _outside(move.final)
    job.merged = True
    found = []
    for name, is_dir in sorted(_entries(move.source)):
        one = _Move(f"{move.source}/{name}", f"{move.final}/{name}", f"{move.name}/{name}", is_dir, move.beside,
                    linked=move.linked or link)
        found += _moves(job, one, inside=True)
    return found


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name, entry.is_dir(follow_symlinks=False)


def _copy_beside(job: _Job, source: str, final: str) -> str:
    """Returns the copy's name. A leftover copy of an earlier scheduler is removed."""
    made = job.received.copy_path(final, len(job.temporaries))
    job.temporaries.append(made)  # known to _undo while it is copied
    remove_tree(made)
    _copy(source, made)
    return made


def _copy(source: str, target: str) -> None:
    """Copy a file, a link, or a folder with its content, with modes and times; `target` must not exist."""
    found = os.lstat(source)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source), target)
        return
    if stat.S_ISDIR(found.st_mode):
        os.mkdir(target, 0o700)
        for name, _ in _entries(source):
            _copy(f"{source}/{name}", f"{target}/{name}")
    elif sparse(found):
        copy_sparse(source, target)
    else:
        shutil.copyfile(source, target)
    set_mode(target, found.st_mode & 0o777 | os.lstat(target).st_mode & stat.S_ISGID)
    set_times(target, found.st_atime_ns, found.st_mtime_ns)


def _rename(job: _Job, move: _Move, alone: bool) -> list[_Move]:
    """Returns the renames to do instead, if something got that name meanwhile."""
    try:
        try:
            _swap(job, move, alone)
        except OSError as e:
            if e.errno != errno.EXDEV or move.beside:
                raise
            # Another mount of the same file system, or one in the folder that it is merged into.
            move.source, move.beside = _copy_beside(job, move.source, move.final), True
            _swap(job, move, alone)
    except OSError as e:
        if e.errno not in _IN_USE or not os.path.isdir(move.final):
            raise
        more = _moves(job, move)
        if more == [move]:
            raise
        job.moves += more
        return more
    return []


def _swap(job: _Job, move: _Move, alone: bool) -> None:
    if not alone and not move.backup:
        _keep(job, move)
    os.rename(move.source, move.final)
    move.done = True


def _keep(job: _Job, move: _Move) -> None:
    """Back up the file with the final name, so that it can be restored."""
    existing = _lstat(move.final)
    if existing is None or stat.S_ISDIR(existing.st_mode):
        return
    if move.is_dir and stat.S_ISREG(existing.st_mode) and existing.st_size:
        move.backup, move.kept = free_name(f"{move.final}{KEPT}", "/"), True
        os.rename(move.final, move.backup)
        return
    job.backups += 1
    backup = job.received.backup_path(move.final, job.backups, beside=move.beside)
    if move.beside:
        remove_tree(backup)  # of an earlier scheduler
    if stat.S_ISREG(existing.st_mode) and not move.is_dir:
        try:
            # A second link to it: the final name is then replaced without a moment in which it is missing.
            os.link(move.final, backup)
        except OSError:
            os.rename(move.final, backup)
    else:
        os.rename(move.final, backup)
    move.backup = backup


def _undo(job: _Job) -> None:
    for move in reversed(job.moves):
        with contextlib.suppress(OSError):
            if move.done and not move.backup:
                remove_tree(move.final)
            elif move.backup:
                if move.done and move.is_dir:
                    remove_tree(move.final)
                os.rename(move.backup, move.final)
                # Both may have been names of one file: then the rename was a no-op.
                if os.path.lexists(move.backup):
                    os.unlink(move.backup)
    for path in job.temporaries:
        remove_tree(path)
    for folder in reversed(job.made_folders):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    job.received.discard()
