"""How an executor that runs on the scheduler's machine finds an input there, and knows that it is the same file.

One kernel (its boot id), one file system (the device number, which a kernel gives to one at a time), one inode, and the
times of its last changes: then a path leads both to the same version of the same file, in containers as well. The
executor opens the path with its own rights, compares, copies within the kernel, and compares again.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mfmesos.shared.wire_checks import fields_of, parsed

LEAST_BYTES = 16 << 20
"""Smaller inputs are sent. From here on (staging.late.LEAST_BYTES) stat results have to show a change anyway."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def kernel(boot_id: Path = _BOOT_ID) -> str:
    """Another one on each machine, and after each of its starts; empty if the system does not show it."""
    try:
        return boot_id.read_text().strip()
    except OSError:
        return ""


@dataclass
class Place:
    """A version of a file on the machine with that kernel."""

    kernel: str
    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    def is_here(self) -> bool:
        """Whether this is that machine, and the path one that it may have."""
        return bool(self.kernel) and self.kernel == kernel() and isinstance(self.path, str) and "\0" not in self.path

    def is_at(self, fd: int) -> bool:
        """Whether the open file is that version now. Raises OSError."""
        return place_of(self.path, os.fstat(fd), self.kernel) == self


def place_of(path: str, found: os.stat_result, at: str) -> Place:
    return Place(at, path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def load_place(raw: bytes) -> Place:
    """Parse the scheduler's answer; raises WireError."""
    place: Place = fields_of(Place, parsed(raw, "place"), "place")
    return place
