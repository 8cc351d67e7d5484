"""A large input while it arrives: each block is verified before it counts, and before anyone else gets it."""
from __future__ import annotations

import hashlib
import os
import threading
from typing import Callable

from mfmesos.shared.holes import write_at
from mfmesos.shared.messages import executor as m
from mfmesos.shared.peer_wire import block_bytes
from mfmesos_executor.unpack import BadStream


class BadBlock(BadStream):
    """Not the bytes of the input."""


class Gone(Exception):
    """The input does not arrive any more."""


class Arriving:
    """One thread writes, others may wait for what is verified. The file is created; raises OSError."""

    def __init__(self, path: str, size: int, holes: bool) -> None:
        self.path = path
        self.have = 0
        """Verified bytes, from the beginning."""
        self._size = size
        self._holes = holes
        self._block = block_bytes(size)
        self._at = 0
        self._hash = hashlib.sha256()
        self._failed = False
        self._changed = threading.Condition()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    # --- the one that writes ---
    def add(self, piece: bytes, digest_of: Callable[[int], bytes]) -> None:
        """The next bytes. `digest_of`: the digest of the block with that number. Raises BadBlock, OSError."""
        view = memoryview(piece)
        while view:
            end = min(self.have + self._block, self._size)
            part = view[:end - self._at]
            if not part:
                raise BadBlock(m.DIGEST_OF_FILE())
            self._hash.update(part)
            write_at(self._fd, part, self._at, self._holes)
            self._at += len(part)
            if self._at == end:
                self._verify(digest_of(self.have // self._block), end)
            view = view[len(part):]

    def _verify(self, digest: bytes, end: int) -> None:
        if self._hash.digest() != digest:
            raise BadBlock(m.DIGEST_OF_FILE())
        self._hash = hashlib.sha256()
        if self._holes:
            os.ftruncate(self._fd, end)
        with self._changed:
            self.have = end
            self._changed.notify_all()

    def rewind(self) -> None:
        """Forget what is not verified: the next bytes are those from `have` on. Raises OSError."""
        if self._at != self.have:
            os.ftruncate(self._fd, self.have)
            self._at, self._hash = self.have, hashlib.sha256()

    def end(self) -> None:
        """Nothing more is written. Waiting readers are notified if the file is incomplete."""
        os.close(self._fd)
        with self._changed:
            self._failed = self.have < self._size
            self._changed.notify_all()

    # --- those who read ---
    def wait_beyond(self, offset: int, timeout_s: float) -> int:
        """How much is verified, when it is more than `offset` or after that time. Raises Gone."""
        with self._changed:
            self._changed.wait_for(lambda: self.have > offset or self._failed, timeout_s)
            if self.have <= offset and self._failed:
                raise Gone
            return self.have
