"""Files in shared folders (--shared-fs): checked, linked into sandboxes, and outputs put where the scheduler looks."""
from __future__ import annotations

import errno
import os
import stat
import threading
import time
from typing import Callable, Sequence

from mfmesos.shared.messages import sharedfs as m
from mfmesos.shared.mtimes import GRAINS_NS
from mfmesos.shared.symlinks import lies_in
from mfmesos.shared.wire import FINISHED, Input, Result, Run
from mfmesos_executor.client import Cancelled
from mfmesos_executor.files import copy_file, remove_tree
from mfmesos_executor.outputs import Member
from mfmesos_executor.sandbox import Sandbox

ANSWER_S = 30.0
"""A file server that does not answer for this long hangs."""
SETTLE_S = 5.0
"""A file server may show an older state of a file for a few seconds."""
STEP_S = 0.1
_NOT_MINE = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.EROFS, errno.ENOTDIR)
"""The incoming folder is not for this user, or not there: the outputs are sent instead."""


class NotReady(Exception):
    """A file in a shared folder, or the folder, is not there; one line, and the folder if the agent lacks it."""

    def __init__(self, text: str, folder: str = "") -> None:
        super().__init__(text)
        self.folder = folder


def use(run: Run, sandbox: Sandbox, cancelled: Callable[[], bool]) -> None:
    """Make ready what the attempt uses in place. Raises NotReady, Cancelled, OSError."""
    check(run)
    link_inputs(sandbox, cancelled)


def check(run: Run, answer_s: float = ANSWER_S) -> None:
    """Raises NotReady for the first shared folder that this agent does not have, or that does not answer."""
    for folder, marker in run.shared.items():
        found: list[bool] = []
        # A daemon: a call to a file server that hangs cannot be ended.
        looking = threading.Thread(target=lambda: found.append(_is_here(folder, marker)), daemon=True)  # noqa: B023  joined below
        looking.start()
        looking.join(answer_s)
        if not found:
            raise NotReady(m.SHARED_NOT_IN_TIME(folder=folder, seconds=answer_s), folder)
        if not found[0]:
            raise NotReady(m.SHARED_NOT_HERE(folder=folder), folder)


def _is_here(folder: str, marker: str) -> bool:
    return os.path.lexists(f"{folder}/{marker}") if marker else os.path.isdir(folder)


def link_inputs(sandbox: Sandbox, cancelled: Callable[[], bool], settle_s: float = SETTLE_S) -> None:
    """Compare the inputs in place with what the scheduler saw, and link those with relative names into the sandbox.
    Raises NotReady, Cancelled, OSError.
    """
    linked: list[str] = []
    until = time.monotonic() + settle_s
    for name, item in sorted(sandbox.in_place.items()):
        while True:
            problem = _difference(name, item)
            if not problem:
                break
            if cancelled():
                raise Cancelled
            if time.monotonic() >= until:
                raise NotReady(problem)
            time.sleep(STEP_S)  # until the file server shows the present state
        if os.path.isabs(name) or any(lies_in(folder, name) for folder in linked):
            continue  # the command finds it by itself, or by way of the folder
        target = sandbox.path(name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(item.in_place, target)
        if item.kind == "dir":
            linked.append(name)


def _difference(name: str, item: Input) -> str:
    """Empty if the file is the one that the scheduler saw, as far as stat shows."""
    try:
        found = os.stat(item.in_place)
    except OSError as e:
        return m.SHARED_INPUT_LACKS(name=name, path=item.in_place, why=os.strerror(e.errno or 0))
    if item.kind == "dir":
        return "" if stat.S_ISDIR(found.st_mode) else m.SHARED_INPUT_LACKS(
            name=name, path=item.in_place, why=os.strerror(errno.ENOTDIR))
    if stat.S_ISREG(found.st_mode) and found.st_size == item.size and is_time(found.st_mtime_ns, item.mtime_ns):
        return ""
    is_dir = stat.S_ISDIR(found.st_mode)
    return m.SHARED_INPUT_DIFFERS(
        name=name, path=item.in_place,
        found=m.SHARED_A_FOLDER() if is_dir else m.SHARED_FILE_OF(size=found.st_size, mtime_ns=found.st_mtime_ns),
        wanted=m.SHARED_FILE_OF(size=item.size, mtime_ns=item.mtime_ns))


def is_time(one_ns: int, other_ns: int) -> bool:
    """Whether two machines may show these times for the same change: one may cut them to a coarser grain."""
    low, high = sorted((one_ns, other_ns))
    return low == high or any(high - high % grain == low for grain in GRAINS_NS)


def place_outputs(members: Sequence[Member], run: Run, result: Result, cancelled: Callable[[], bool]) -> bool:
    """Put the outputs of a finished attempt where `run.place` says; False if it does not or that is impossible here,
    and then nothing of them is left there. Raises Cancelled, OSError.
    """
    if not run.place or result.outcome != FINISHED or any(member.target for member in members):
        return False  # what a link may lead to is checked when it is sent
    try:
        copy_outputs(members, run.place, cancelled)
        result.placed = True
        return True
    except OSError as e:
        if e.errno in _NOT_MINE:
            return False
        raise


def copy_outputs(members: Sequence[Member], stem: str, cancelled: Callable[[], bool]) -> dict[str, str]:
    """Copy the outputs there, all of them or, if that fails, none. Returns the path of each. Raises Cancelled,
    OSError.
    """
    folders = {member.name for member in members if member.is_dir}
    roots = [one.name for one in members if not any(one.name.startswith(folder + "/") for folder in folders)]
    places = {root: f"{stem}.{index}" for index, root in enumerate(roots)}
    try:
        _copy_all(members, places, cancelled)
        return places
    except BaseException:
        for place in places.values():
            remove_tree(place)
        raise


def _make_folders(top: str, folder: str) -> None:
    """`folder`, if it is `top` or lies there, and those on the way; never the incoming folder, which a run that has
    ended has removed. Raises OSError.
    """
    if lies_in(top, folder) and not os.path.isdir(folder):
        _make_folders(top, os.path.dirname(folder))
        os.mkdir(folder, 0o700)


def _copy_all(members: Sequence[Member], places: dict[str, str], cancelled: Callable[[], bool]) -> None:
    folders = []
    for member in members:
        if cancelled():
            raise Cancelled
        root = next(root for root in places if lies_in(root, member.name))
        target = places[root] + member.name[len(root):]
        _make_folders(places[root], target if member.is_dir else os.path.dirname(target))
        if member.is_dir:
            folders.append((target, member))
        else:
            copy_file(member.path, target, member.mode | 0o400, mtime_ns=member.mtime_ns)
    for target, member in folders:  # each after its content
        os.chmod(target, member.mode | 0o700)
        os.utime(target, ns=(member.mtime_ns, member.mtime_ns))
