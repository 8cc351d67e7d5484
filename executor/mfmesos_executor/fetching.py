"""Where the bytes of an input come from: each source is tried in turn, and what arrives is verified."""
from __future__ import annotations

import hashlib
from typing import Callable, Iterable, Protocol, Sequence, Union

from mfmesos.shared import batches
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import Input
from mfmesos_executor.client import Client, Unreachable, refusal
from mfmesos_executor.files import remove_tree
from mfmesos_executor.unpack import BadStream, unpack, write_verified

TRIES = 3
"""A damaged transfer is tried this many times."""

Arrived = Union[bytes, Exception]


class Source(Protocol):
    """A place from which an input may come."""

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        """Make the input, verified, at `path`, which does not exist; False if this source does not have it, and then
        nothing is left at `path`. Raises Unreachable, Refused, Cancelled, BadStream, WebError, OSError.
        """


class Scheduler:
    """The staging server: it has every input but those on web servers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        if item.url:
            return False
        for left in reversed(range(TRIES)):
            try:
                self._client.download(item.digest, lambda pieces: take(item, pieces, path), cancelled)
                break
            except BadStream as e:
                if not left:
                    raise BadStream(m.AFTER_TRIES(tries=TRIES, why=e)) from None
        return True

    def fetch_many(self, items: Sequence[Input], put: Callable[[int, Arrived], None],
                   cancelled: Callable[[], bool]) -> None:
        """Fetch small files with few requests; calls `put` once for the index of each, in no certain order, with its
        verified content or the reason why there is none. Raises like Source.fetch, and what `put` raises: then the
        others do not arrive.
        """
        tries = dict.fromkeys(range(len(items)), TRIES)

        def take(indexes: list[int], pieces: Iterable[bytes]) -> None:
            later: Unreachable | None = None
            found = batches.members(pieces, [items[index].size for index in indexes])
            for (status, body), index in zip(found, indexes):
                arrived = _verified(items[index], status, body)
                if isinstance(arrived, Unreachable):
                    later = arrived
                    continue
                if isinstance(arrived, BadStream):
                    tries[index] -= 1
                    if tries[index]:
                        continue
                    arrived = BadStream(m.AFTER_TRIES(tries=TRIES, why=arrived))
                del tries[index]
                put(index, arrived)
            if later is not None:
                raise later

        def once() -> None:
            indexes = list(tries)[:batches.MOST]
            if indexes:
                request = batches.request([items[index].digest for index in indexes])
                self._client.batch(request, lambda pieces: take(indexes, pieces), cancelled)

        damaged = 0
        while tries:
            try:
                self._client.patiently(once, cancelled)
            except batches.BadBatch as e:
                damaged += 1
                if tries and damaged == TRIES:
                    raise BadStream(m.AFTER_TRIES(tries=TRIES, why=e)) from None


def _verified(item: Input, status: int, body: bytes) -> Arrived:
    if status == batches.OK:
        return body if hashlib.sha256(body).hexdigest() == item.digest else BadStream(m.DIGEST_OF_FILE())
    return refusal(status, body)


def fetch(sources: Sequence[Source], item: Input, path: str, cancelled: Callable[[], bool]) -> None:
    """From the first source that has it; the last one must. Raises like Source.fetch."""
    if not any(source.fetch(item, path, cancelled) for source in sources):
        raise AssertionError(f"no source of {item.name}")


def take(item: Input, pieces: Iterable[bytes], path: str) -> None:
    """Write one try of a transfer to `path`. Raises BadStream, OSError; then nothing of it is left."""
    if item.kind != "dir":
        write_verified(pieces, path, item.digest, item.sparse, item.size if item.late else None)
        return
    try:
        if unpack(pieces, path) != item.digest:
            raise BadStream(m.DIGEST_OF_FOLDER())
    except BaseException:
        remove_tree(path)
        raise
