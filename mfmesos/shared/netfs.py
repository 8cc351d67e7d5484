"""Detects folders on file servers, which other machines may use at the same time and which lack some features."""
from __future__ import annotations

import os
import re
from pathlib import Path

from mfmesos.shared.symlinks import lies_in

KINDS = (
    "nfs", "cifs", "smb", "afs", "lustre", "gpfs", "ceph", "glusterfs", "beegfs", "orangefs", "panfs", "9p", "fuse.")
MOUNTS = Path("/proc/self/mountinfo")


def on_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """Whether the path, which need not exist yet, is on a file server; False if the system does not show that."""
    try:
        where = os.path.realpath(path)
        found = [_mount(line) for line in mounts.read_text(errors="surrogateescape").splitlines()]
        above = [(point, kind) for point, kind in found if lies_in(point, where)]
    except (OSError, ValueError, IndexError):
        return False
    if not above:
        return False
    longest = max(len(point) for point, _ in above)
    kind = next(kind for point, kind in reversed(above) if len(point) == longest)  # the mount made last is visible
    return kind.startswith(KINDS)


def _mount(line: str) -> tuple[str, str]:
    fields, _, rest = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields.split(" ")[4])
    return point, rest.split(" ")[0]
