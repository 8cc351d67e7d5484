"""Why received outputs are not published, and whose fault that is."""
from __future__ import annotations

import errno
from pathlib import Path

from mfmesos.shared import descriptors
from mfmesos.shared.messages import staging as m
from mfmesos.shared.plainerrors import words

OUR_SIDE = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
"""Errors of the scheduler's machine, not of what was delivered."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, *descriptors.SHORT})
"""A reason to wait: later there may be room."""


class PublishError(Exception):
    """Outputs could not be published; nothing partial was left. `local`: our own side is to blame, not the attempt or
    the cluster; `full`: only for want of room, so that a later try may succeed."""

    def __init__(self, reason: str, local: bool, full: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.local = local
        self.full = full


def of_system(text: str, e: OSError, where: str, *, gone: bool) -> PublishError:
    """`text` says what failed. `gone`: somebody has removed the incoming folder while the scheduler runs; it is made
    again, and the task waits as for a full disk."""
    return PublishError(f"{text}: {words(e)}{where}", gone or e.errno in OUR_SIDE, gone or e.errno in NO_ROOM)


def not_stored(e: OSError, incoming: Path) -> PublishError:
    """An error of our own disk while outputs arrived."""
    gone = e.errno == errno.ENOENT and not incoming.exists()
    return of_system(m.OUTPUTS_NOT_STORED(folder=incoming), e, "", gone=gone)
