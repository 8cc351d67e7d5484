"""Digests of the blocks of large inputs, for executors that fetch from each other."""
from __future__ import annotations

import asyncio
import hashlib
import os
from collections import OrderedDict
from concurrent.futures import Executor

from mfmesos.core.model import StagedInput
from mfmesos.shared.messages import staging as m
from mfmesos.shared.peer_wire import DIGEST_BYTES, block_bytes, blocks_in
from mfmesos.staging.input_errors import InputChanged

AT_ONCE = 64 << 20
"""Bytes that are hashed before the first answer: an executor need not wait until a whole file is hashed."""
REMEMBERED = 64
"""Inputs; of others the blocks are hashed again. The digests of one input take at most 2 MB."""


class _Hashing:
    """How far an input has been hashed."""

    def __init__(self) -> None:
        self.found = bytearray()
        self.total = hashlib.sha256()
        self.turn = asyncio.Lock()


class BlockDigests:
    """Belongs to the loop's thread; hashes in `pool`."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._known: OrderedDict[str, _Hashing] = OrderedDict()

    async def after(self, staged: StagedInput, path: str, known: int) -> bytes:
        """The digests after the first `known`, as far as they are known; at least one if there is any. Raises
        InputChanged, OSError.
        """
        hashing = self._known.setdefault(staged.digest, _Hashing())
        self._known.move_to_end(staged.digest)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        wanted = min(known + 1, blocks_in(staged.size)) * DIGEST_BYTES
        async with hashing.turn:
            try:
                while len(hashing.found) < wanted:
                    await asyncio.get_running_loop().run_in_executor(self._pool, _hash_more, hashing, staged, path)
            except (InputChanged, OSError):
                self._known.pop(staged.digest, None)
                raise
        return bytes(hashing.found[known * DIGEST_BYTES:])


def _hash_more(hashing: _Hashing, staged: StagedInput, path: str) -> None:
    """One step further. The digests of the last step are there only if all that was read is the input."""
    block = block_bytes(staged.size)
    start = len(hashing.found) // DIGEST_BYTES * block
    end = min(start + max(AT_ONCE, block), staged.size)
    more = bytearray()
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
        for position in range(start, end, block):
            piece = _exactly(f.fileno(), position, min(block, end - position))
            if not piece:
                raise InputChanged(m.INPUT_HAS_CHANGED(name=staged.name))
            hashing.total.update(piece)
            more += hashlib.sha256(piece).digest()
    if end == staged.size and hashing.total.hexdigest() != staged.digest:
        raise InputChanged(m.INPUT_HAS_CHANGED(name=staged.name))
    hashing.found += more


def _exactly(fd: int, position: int, size: int) -> bytes:
    """Empty if the file is shorter."""
    pieces, left = [], size
    while left:
        piece = os.pread(fd, left, position + size - left)
        if not piece:
            return b""
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
