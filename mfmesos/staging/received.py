"""What an attempt has delivered, until it is published; and which name in the workflow's folder is whose.

A *delivery* is one arrival of an attempt's outputs; its *stem* is ATTEMPT-N, N counting deliveries. I counts the roots of
the attempt's outputs (names.OutputPlan), K what one publishing has made. No delivery has a folder of its own: that
would cost more than all the rest (docs/performance.md, Staging).

| path in the workflow's folder | is |
| --- | --- |
| NAME | final: a published output |
| .mfmesos/incoming/STEM.I | temporary: a root that has arrived; with N = 0 an executor that shares the folder has put it there |
| .mfmesos/incoming/STEM.whole | mark: all of it has arrived, by itself. Empty until it is published, then with what its folders hold (JSON) |
| .mfmesos/incoming/STEM.K.old | backup: what had a final name before, until all of the delivery is published |
| FOLDER/.mfmesos-STEM.K | temporary: a root's copy beside its final name, where that is on another file system |
| FOLDER/.mfmesos-STEM.K.old | backup: as above, for such a copy |
| NAME.before-rerun | kept for good: a user's file whose name an output folder has taken |
"""  # noqa: E501 - a table
from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import NamedTuple

from mfmesos.shared.disk import remove_tree
from mfmesos.shared.values import value
from mfmesos.staging.names import OutputPlan
from mfmesos.staging.trees import TreeError, manifest, walk

WHOLE = ".whole"
OLD = ".old"
BESIDE = ".mfmesos-"


def stem_of(attempt_id: str, number: int) -> str:
    return f"{attempt_id}-{number}"


def attempt_of(stem: str) -> str:
    return os.path.basename(stem).rpartition("-")[0]


def number_of(stem: str) -> int:
    return int(stem.rpartition("-")[2])


def owner_of(name: str) -> str:
    """The stem of the delivery that a root or mark in the incoming folder belongs to; no stem for a backup."""
    return name.rpartition(".")[0]


def is_placed(name: str) -> bool:
    """Whether an executor has put this root into the incoming folder by itself (see sharedfs.placed_stem)."""
    stem = owner_of(name)
    return stem.endswith("-0") and not name.endswith(WHOLE)


def check_plain(path: str) -> None:
    """Raises OSError, unless that is a file, or a folder with only files and folders (blocking)."""
    waiting = [path]
    while waiting:
        one = waiting.pop()
        found = os.lstat(one)
        if stat.S_ISDIR(found.st_mode):
            waiting += [f"{one}/{name}" for name in os.listdir(one)]
        elif not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), one)


class Hashed(NamedTuple):
    """A received file: the digest of its content, and its stat result when it was complete."""

    digest: str
    made: os.stat_result


@value(frozen=True)
class Received:
    """A delivery whose outputs have all arrived."""

    stem: str
    """With the path of the incoming folder."""
    plan: OutputPlan
    alone: bool = False
    """It did not travel in a result, so it will not be sent again: its mark shows that all of it has arrived."""
    partial: bool = False
    """The outputs of a failed attempt: some may be missing."""
    resumed: bool = False
    """It arrived at an earlier scheduler, which may have died while publishing it, or after that."""
    links: bool = False
    """Whether one of its folders has symbolic links."""
    hashed: Mapping[str, Hashed] = field(default_factory=dict, compare=False)
    """By path: the files that were hashed as they arrived."""
    folders: bool = False
    """Whether one of its roots is a folder; unknown if `resumed`."""

    @property
    def attempt_id(self) -> str:
        return attempt_of(self.stem)

    @property
    def is_placed(self) -> bool:
        """Whether an executor has put it there by itself."""
        return number_of(self.stem) == 0

    @property
    def incoming(self) -> str:
        return os.path.dirname(self.stem)

    @property
    def mark(self) -> str:
        return f"{self.stem}{WHOLE}"

    def path(self, index: int) -> str:
        """The path of the root `plan.roots[index]`."""
        return f"{self.stem}.{index}"

    def digests(self) -> dict[str, str]:
        """By output: its digest as an input, as far as all of it was hashed (blocking)."""
        if not self.hashed:
            return {}
        found = {}
        for index, name in enumerate(self.plan.roots):
            path = self.path(index)
            with contextlib.suppress(KeyError, OSError, TreeError):
                if os.path.isdir(path):
                    # What a folder's links lead to depends on where the folder lies.
                    if not self.links:
                        found[name] = manifest(walk(path), lambda row: self.hashed[row.path].digest)
                else:
                    found[name] = self.hashed[path].digest
        return found

    def published(self) -> Iterator[tuple[str, Hashed]]:
        """The hashed files, with their names in the workflow's folder."""
        for path, hashed in self.hashed.items():
            index, _, rest = path[len(self.stem) + 1:].partition("/")
            root = self.plan.roots[int(index)]
            yield f"{root}/{rest}" if rest else root, hashed

    def copy_path(self, final: str, number: int) -> str:
        """The path of a copy beside that final path."""
        return f"{self._beside(final)}.{number}"

    def backup_path(self, final: str, number: int, *, beside: bool) -> str:
        """The path of the backup for that final path."""
        return f"{self._beside(final) if beside else self.stem}.{number}{OLD}"

    def _beside(self, final: str) -> str:
        return f"{os.path.dirname(final)}/{BESIDE}{os.path.basename(self.stem)}"

    def clear(self) -> None:
        """Remove what was not moved away."""
        for index in range(len(self.plan.roots)):
            remove_tree(self.path(index))

    def discard(self) -> None:
        """Remove all of it."""
        self.clear()
        if self.alone:
            self.settle()

    def settle(self) -> None:
        """Its task was reported: it will not be needed again."""
        with contextlib.suppress(OSError):
            os.unlink(self.mark)
