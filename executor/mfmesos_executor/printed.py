"""Reads what a running attempt has printed so far."""
from __future__ import annotations

import os

from mfmesos.shared.log_pieces import PIECE_BYTES, Piece, Wanted, encoded
from mfmesos_executor.attempt import Attempt


def piece_of(attempt: Attempt | None, wanted: Wanted) -> Piece:
    """A few KB at most; empty if nothing can be read."""
    found = Piece(wanted.attempt, wanted.offsets)
    sandbox = attempt.sandbox if attempt is not None else None
    for n, path in enumerate((sandbox.stdout, sandbox.stderr) if sandbox is not None else ()):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            found.sizes[n] = os.fstat(fd).st_size
            found.data[n] = encoded(os.pread(fd, PIECE_BYTES, wanted.offsets[n]))
        except OSError:
            pass
        finally:
            os.close(fd)
    return found
