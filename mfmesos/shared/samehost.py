"""How an executor that runs on the scheduler's machine finds an input there, and knows that it is the same file; and
how it knows the folder into which it may copy outputs.

One kernel (its boot id), one file system (the device number, which a kernel gives to one at a time), one inode, and the
times of its last changes: then a path leads both to the same version of the same file, in containers as well. The
executor opens the path with its own rights, compares, copies within the kernel, and compares again. What the first
task of a claim needs it copies while it starts, and uses if the place is the same when the task asks. Large outputs go
the same way into the scheduler's folder for deliveries, if that folder is the executor's own user's.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from mfmesos.shared.wire_checks import fields_of, parsed

LEAST_BYTES = 16 << 20
"""Smaller inputs are sent. From here on (staging.late.LEAST_BYTES) stat results have to show a change anyway."""
PLACES, PLACES_BYTES = "Mfmesos-Places", 16 << 10
"""The header of the archive's answer with the places of what a claim needs first, as JSON, and its largest size."""
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


@dataclass
class Folder:
    """Where an executor on the machine with that kernel may put the outputs of one attempt."""

    kernel: str
    stem: str
    """The number of each output, with a full stop before it, is added."""
    device: int
    inode: int
    digests: bool
    """Whether outputs that other tasks read must be sent, since their digests are recorded."""

    def is_mine(self) -> bool:
        """Whether the folder is here, and what this process makes in it belongs to the folder's user and group. Raises
        OSError.
        """
        if not self.kernel or self.kernel != kernel() or not isinstance(self.stem, str) or "\0" in self.stem:
            return False
        found = os.lstat(os.path.dirname(self.stem))
        return stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino, found.st_uid, found.st_gid) == (
            self.device, self.inode, os.geteuid(), os.getegid())


def folder_of(stem: str, digests: bool) -> Folder | None:
    """As the scheduler names it; None if its kernel is unknown. Raises OSError."""
    here, found = kernel(), os.lstat(os.path.dirname(stem))
    return Folder(here, stem, found.st_dev, found.st_ino, digests) if here else None


def load_folder(raw: bytes) -> Folder:
    """Parse the scheduler's answer; raises WireError."""
    folder: Folder = fields_of(Folder, parsed(raw, "folder"), "folder")
    return folder


def name_of(found: os.stat_result) -> str:
    """The name of this version of a large file, in place of a digest (see staging/late.py); a change of its mode, of
    its links or of its own name makes no other version.
    """
    what = f"mfmesos late {found.st_size} {found.st_mtime_ns} {found.st_ino} {found.st_dev}"
    return hashlib.sha256(what.encode()).hexdigest()


def place_of(path: str, found: os.stat_result, at: str) -> Place:
    return Place(at, path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def load_place(raw: bytes) -> Place:
    """Parse the scheduler's answer; raises WireError."""
    place: Place = fields_of(Place, parsed(raw, "place"), "place")
    return place


def load_places(text: str) -> list[Place]:
    """Parse that header; raises WireError."""
    found = parsed(text.encode(), "places")
    return [fields_of(Place, one, "place") for one in (found if isinstance(found, list) else [found])]
