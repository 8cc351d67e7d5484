"""How exactly file systems keep the time of a change."""
from __future__ import annotations

GRAINS_NS = (100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
"""Of CIFS and NTFS, and of the others."""
COARSE_NS = GRAINS_NS[-1]
"""The coarsest is FAT's; others have whole seconds (NFS version 2, ext3, some of CIFS)."""


def coarse_ns(mtime_ns: int) -> int:
    """How much later a file may have been written than its time says, by the time itself: 0 where that has a fraction
    of a second."""
    return 0 if mtime_ns % 1_000_000_000 else COARSE_NS
