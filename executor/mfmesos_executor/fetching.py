"""Where the bytes of an input come from: each source is tried in turn, and what arrives is verified."""
from __future__ import annotations

from typing import Callable, Iterable, Protocol, Sequence

from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import Input
from mfmesos_executor.client import Client
from mfmesos_executor.files import remove_tree
from mfmesos_executor.unpack import BadStream, unpack, write_verified

TRIES = 3
"""A damaged transfer is tried this many times."""


class Source(Protocol):
    """A place from which an input may come."""

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        """Make the input, verified, at `path`, which does not exist; False if this source does not have it, and then
        nothing is left at `path`. Raises Unreachable, Refused, Cancelled, BadStream, OSError.
        """


class Scheduler:
    """The staging server: it has every input."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        for left in reversed(range(TRIES)):
            try:
                self._client.download(item.digest, lambda pieces: take(item, pieces, path), cancelled)
                break
            except BadStream as e:
                if not left:
                    raise BadStream(m.AFTER_TRIES(tries=TRIES, why=e)) from None
        return True


def fetch(sources: Sequence[Source], item: Input, path: str, cancelled: Callable[[], bool]) -> None:
    """From the first source that has it; the last one must. Raises like Source.fetch."""
    if not any(source.fetch(item, path, cancelled) for source in sources):
        raise AssertionError(f"no source of {item.name}")


def take(item: Input, pieces: Iterable[bytes], path: str) -> None:
    """Write one try of a transfer to `path`. Raises BadStream, OSError; then nothing of it is left."""
    if item.kind != "dir":
        write_verified(pieces, path, item.digest, item.sparse)
        return
    try:
        if unpack(pieces, path) != item.digest:
            raise BadStream(m.DIGEST_OF_FOLDER())
    except BaseException:
        remove_tree(path)
        raise
