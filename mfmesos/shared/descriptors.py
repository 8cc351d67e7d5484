"""File descriptors: as many as the machine lets a process have, and what to do when there are no more."""
from __future__ import annotations

import contextlib
import errno
import resource

MOST = 65536
"""More are not asked for: some libraries walk through all that there could be."""
SHORT = frozenset({errno.EMFILE, errno.ENFILE})
"""None is left for the moment: a reason to wait, not to fail."""


def raise_limit() -> int:
    """Raise the soft limit as far as the hard one lets us; gives the soft limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limit()
    with contextlib.suppress(OSError, ValueError):  # then what there is has to do
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft
