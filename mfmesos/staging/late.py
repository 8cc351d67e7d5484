"""Large inputs are hashed while they are sent the first time, not before.

Until then, and for the rest of the run, such a version of a file has a name made from its stat result in place of its
digest (samehost.name_of). The name is the same after a restart of the scheduler. What is sent ends with the digest of
the bytes before it (see mfmesos.shared.wire), which is learned here as well.
"""
from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Callable

LEAST_BYTES = 16 << 20
"""A smaller file is hashed before it is sent: that takes no time worth mentioning."""


class LateDigests:
    """Name of a version -> its digest, once that is known. Thread-safe; the last `most` are remembered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._digests: OrderedDict[str, str] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._digests

    def digest(self, name: str) -> str:
        """Empty if it is not known yet."""
        return self._digests.get(name, "")

    def use(self, name: str, digest: str = "") -> None:
        """The version was given that name, and has this digest."""
        with self._lock:
            self._digests[name] = digest or self._digests.get(name, "")
            self._digests.move_to_end(name)
            while len(self._digests) > self._most:
                self._digests.popitem(last=False)


def pieces(path: str, size: int, digest: str, hashed: Callable[[os.stat_result, str], bool],
           most: Callable[[], int]) -> Iterator[bytes]:
    """The file's content in pieces of at most that many bytes, then its digest in hex (blocking): `digest` if it is
    known. Otherwise it is computed on the way, and given to `hashed` with the stat result before; the stream lacks its
    end unless that is true. Raises OSError.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
        before, total, left = os.fstat(f.fileno()), hashlib.sha256(), size
        while left and (piece := f.read(min(most(), left))):
            left -= len(piece)
            if not digest:
                total.update(piece)
            yield piece
        if left or f.read(1) or (not digest and not hashed(before, total.hexdigest())):
            return
        yield (digest or total.hexdigest()).encode()
