"""Reasons why received outputs are not published, and whose fault each is."""
from __future__ import annotations

import errno
from pathlib import Path

from mfmesos.shared import descriptors
from mfmesos.shared.messages import staging as m
from mfmesos.shared.plainerrors import words

OUR_SIDE = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
"""Errors of the scheduler's machine, not of the delivery."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, *descriptors.SHORT})
"""A reason to wait: space may become free later."""


class PublishError(Exception):
    """Outputs could not be published; nothing partial was left. `local`: this machine is at fault, not the attempt or
    the cluster; `full`: only space is missing, so that a later try may succeed.
    """

    def __init__(self, reason: str, local: bool, full: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.local = local
        self.full = full


def of_system(text: str, e: OSError, where: str, *, gone: bool) -> PublishError:
    """`text` names the failed operation. `gone`: somebody removed the incoming folder while the scheduler runs; the
    folder is made again, and the task waits as for a full disk.
    """
    return PublishError(f"{text}: {words(e)}{where}", gone or e.errno in OUR_SIDE, gone or e.errno in NO_ROOM)


def not_stored(e: OSError, incoming: Path) -> PublishError:
    """An error of this machine's disk while outputs arrived."""
    gone = e.errno == errno.ENOENT and not incoming.exists()
    return of_system(m.OUTPUTS_NOT_STORED(folder=incoming), e, "", gone=gone)
