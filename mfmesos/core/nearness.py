"""Which claims probably have which large inputs: attempts read them there, or made them there.

Only a hint: an executor that has removed an input meanwhile fetches it again.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mfmesos.core.model import StagedInput

LARGE_BYTES = 1 << 20
"""Smaller inputs are fetched in no time."""
MOST_INPUTS = 8
"""This many of a task's inputs count, the largest."""
MOST_CLAIMS = 8
"""Claims with the same input that are compared: one that most claims have favours none."""
MOST_DIGESTS = 20_000

Large = Sequence[tuple[str, int]]
"""Digests of large inputs, with their sizes in bytes."""


def large(inputs: Iterable[StagedInput]) -> Large:
    """Those that count."""
    found = [(i.digest, i.size) for i in inputs if i.size >= LARGE_BYTES and not i.in_place]
    return tuple(sorted(found, key=lambda one: -one[1])[:MOST_INPUTS]) if found else ()


class Nearness:
    """By digest the claims that have it, and the reverse."""

    def __init__(self, most: int = MOST_DIGESTS) -> None:
        self._most = most
        self._claims: OrderedDict[str, dict[str, None]] = OrderedDict()
        self._digests: dict[str, set[str]] = {}

    def add(self, claim_id: str, digest: str) -> None:
        """The claim has that input from now on; the input that was not mentioned for longest may be forgotten."""
        self._claims.setdefault(digest, {})[claim_id] = None
        self._claims.move_to_end(digest)
        self._digests.setdefault(claim_id, set()).add(digest)
        if len(self._claims) > self._most:
            oldest, claims = self._claims.popitem(last=False)
            for one in claims:
                self._digests[one].discard(oldest)

    def forget(self, claim_id: str) -> None:
        """The claim has ended."""
        for digest in self._digests.pop(claim_id, ()):
            claims = self._claims[digest]
            del claims[claim_id]
            if not claims:
                del self._claims[digest]

    def any_at(self, claim_id: str) -> bool:
        """Whether that claim has any."""
        return bool(self._digests.get(claim_id))

    def bytes_at(self, wanted: Large, claim_id: str) -> int:
        """How much of it that claim has."""
        return sum(size for digest, size in wanted if claim_id in self._claims.get(digest, ()))

    def claims(self, wanted: Large) -> Iterator[str]:
        """Claims that have some of it; not all, and some of them more than once."""
        for digest, _ in wanted:
            yield from islice(self._claims.get(digest, ()), MOST_CLAIMS)
