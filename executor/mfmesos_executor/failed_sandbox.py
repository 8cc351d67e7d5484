"""Sends the sandbox of a failed attempt, for its user to look at; see mfmesos.shared.failed_sandboxes."""
from __future__ import annotations

import logging
import os
import stat
from typing import Callable, Iterator
from urllib.parse import quote

from mfmesos.shared.failed_sandboxes import LEFT_OUT
from mfmesos.shared.wire import EXHAUSTED, FAILED, Result, Run
from mfmesos_executor.client import Cancelled, Client
from mfmesos_executor.monitor import MB
from mfmesos_executor.outputs import BLOCK, Member, length, send_tar
from mfmesos_executor.sandbox import Sandbox

logger = logging.getLogger(__name__)
PARTS = (("out", "stdout"), ("err", "stderr"), ("work", "work"), ("abs", "abs"), ("tmp", "tmp"))
MOST_MEMBERS = 10_000
MOST_NAMED = 1000


def is_wanted(run: Run, result: Result) -> bool:
    return run.keep_failed_mb > 0 and result.outcome in (FAILED, EXHAUSTED)


def send(run: Run, sandbox: Sandbox | None, result: Result, client: Client, cancelled: Callable[[], bool]) -> None:
    """Nothing depends on it: an error is logged."""
    if sandbox is None or not is_wanted(run, result):
        return

    def look() -> None:
        if cancelled():
            raise Cancelled

    try:
        members = fitting(sandbox, int(run.keep_failed_mb * MB))
        client.put(f"attempts/{quote(run.attempt, safe='')}/sandbox", length(members),
                   lambda sock: send_tar(members, sock, look), cancelled)
    except Exception as e:
        logger.warning("attempt=%s: its sandbox is not kept (%s: %s)", run.attempt, type(e).__name__, e)


def fitting(sandbox: Sandbox, most: int) -> list[Member]:
    """What is sent: all, or `most` bytes without the largest files, and their names. Raises OSError."""
    own = {sandbox.path(name) for name in (*sandbox.inputs, *sandbox.in_place)}
    own -= {sandbox.path(name) for name in sandbox.outputs}
    found = [member for part, name in PARTS for member in _walk(f"{sandbox.root}/{part}", name, own)]
    by_size = sorted(found, key=lambda member: member.size)
    kept: list[Member] = []
    total = 2 * BLOCK
    for member in by_size:
        total += length([member]) - 2 * BLOCK
        if total > most or len(kept) >= MOST_MEMBERS:
            break
        kept.append(member)
    left = by_size[len(kept):]
    if not left:
        return found
    path = f"{sandbox.root}/{LEFT_OUT}"
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as f:
        f.writelines(f"{member.size} {member.name[:BLOCK // 4]}\n" for member in left[-MOST_NAMED:])
    return [*kept, Member(LEFT_OUT, path, os.path.getsize(path), 0o644, False)]


def _walk(path: str, name: str, own: set[str]) -> Iterator[Member]:
    """Files, folders and links there that can be read, without those of `own`."""
    try:
        found = os.lstat(path)
    except OSError:
        return
    if path in own:
        return
    mode = found.st_mode & 0o777
    if stat.S_ISLNK(found.st_mode):
        yield Member(name, path, 0, mode, False, found.st_mtime_ns, os.readlink(path))
    elif stat.S_ISREG(found.st_mode) and os.access(path, os.R_OK):
        yield Member(name, path, found.st_size, mode, False, found.st_mtime_ns)
    elif stat.S_ISDIR(found.st_mode) and os.access(path, os.R_OK | os.X_OK):
        yield Member(name, path, 0, mode, True, found.st_mtime_ns)
        for child in sorted(os.listdir(path)):
            yield from _walk(f"{path}/{child}", f"{name}/{child}", own)
