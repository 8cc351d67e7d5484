"""sha256 on a thread of its own."""
from __future__ import annotations

import hashlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.shared import hashing
from mfmesos.shared.hashing import Hasher


@given(st.lists(st.sampled_from([0, 1, 300_000, 700_000, 1 << 20]), max_size=8))
def test_the_same_digest(sizes: list[int]) -> None:
    """Whatever the pieces are, with a thread or without one; none is left."""
    hasher, total = Hasher(), hashlib.sha256()
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        hasher.update(piece)
        total.update(piece)
    assert hasher.hexdigest() == total.hexdigest()
    assert not [t for t in threading.enumerate() if t.name == "hasher"]


def test_given_up() -> None:
    """Its thread ends as well."""
    hasher = Hasher()
    for _ in range(5):
        hasher.update(bytes(hashing.LEAST_BYTES))
    hasher.close()
    assert not [t for t in threading.enumerate() if t.name == "hasher"]


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent at its limit of threads hashes all the same."""
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    hasher, piece = Hasher(), bytes(hashing.LEAST_BYTES)
    for _ in range(3):
        hasher.update(piece)
    assert hasher.hexdigest() == hashlib.sha256(piece * 3).hexdigest()
