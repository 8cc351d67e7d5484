"""File descriptors: raise the limit, and recognise the error when none is free."""
from __future__ import annotations

import contextlib
import errno
import resource

MOST = 65536
"""More are not requested: some libraries loop over all possible descriptors."""
SHORT = frozenset({errno.EMFILE, errno.ENFILE})
"""No descriptor is free at the moment: a reason to wait, not to fail."""


def raise_limit() -> int:
    """Raise the soft limit to the hard limit, at most MOST; returns the new soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limit()
    with contextlib.suppress(OSError, ValueError):  # then the present limit must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """The number of descriptors that this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft
