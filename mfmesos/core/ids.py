"""What is given out by id: items of Mesos's sets and ranges, and GPUs. Values and bookkeeping; no decision.

An offer has sets and ranges as `Pieces`: an item each, or the first and the last number of a range. A claim and an
attempt have `Ids`: each id by itself.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Union

from mfmesos.core.model import Ids, Pieces, Resources
from mfmesos.shared.devices import GPUS

Piece = Union[str, tuple[int, int]]


def each(pieces: Iterable[Piece]) -> Iterator[str]:
    """The ids, in order."""
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
        else:
            yield from map(str, range(piece[0], piece[1] + 1))


def taken_from(offers: Iterable[Pieces], wanted: Resources) -> dict[str, tuple[str, ...]]:
    """The first ids of what the offers have by id, as many of each name as `wanted` says."""
    pieces: dict[str, list[Piece]] = {}
    for items in offers:
        for name, some in items:
            pieces.setdefault(name, []).extend(some)
    counts = dict(wanted.others)
    return {name: tuple(islice(each(some), round(counts[name]))) for name, some in pieces.items() if name in counts}


class HeldIds:
    """The ids of one claim: those that its attempts have, and those that are free.

    A GPU may be out: it is given to no attempt for the time being. Those without GPUs, sets and ranges have none of
    this, and cost nothing.
    """

    def __init__(self, ids: Mapping[str, Sequence[str]]) -> None:
        self._all = {name: list(some) for name, some in ids.items()}
        self._used: dict[str, Counter[str]] = {name: Counter() for name in self._all}
        """How many attempts have each, by the books: two after a restart, if the end of one was not saved yet."""
        self.out: set[str] = set()
        """GPUs that are not given out."""

    def __bool__(self) -> bool:
        return bool(self._all)

    def of(self, name: str) -> list[str]:
        return self._all.get(name, [])

    def saved(self) -> Ids:
        return tuple((name, tuple(some)) for name, some in self._all.items())

    def free(self, name: str) -> list[str]:
        """Those that the next attempt may be given."""
        used = self._used.get(name, ())
        return [one for one in self.of(name) if one not in used and one not in self.out]

    def gpus_left(self) -> int:
        """Those that may be given out; negative if the books have too many attempts."""
        return len(self.of(GPUS)) - sum(self._used.get(GPUS, Counter()).values()) - len(self.idle_out())

    def give(self, allocation: Resources) -> Ids:
        """An attempt's: the first free ones."""
        given = []
        for name in self._all:
            count = round(allocation.of(name))
            if count:
                some = self.free(name)[:count]
                self._used[name].update(some)
                given.append((name, tuple(some)))
        return tuple(given)

    def hold(self, given: Ids) -> None:
        """An attempt has them already, as an earlier scheduler decided."""
        for name, some in given:
            known = self._all.setdefault(name, [])
            known += [one for one in some if one not in known]
            self._used.setdefault(name, Counter()).update(some)

    def take_back(self, given: Ids) -> None:
        for name, some in given:
            self._used[name] -= Counter(some)

    def rename(self, names: Mapping[str, str]) -> bool:
        """GPUs with these numbers have these names from now on. Returns whether any is the claim's."""
        mine = self._all.get(GPUS, [])
        if not any(one in names for one in mine):
            return False
        self._all[GPUS] = list(dict.fromkeys(names.get(one, one) for one in mine))  # it may have one by both names
        renamed: Counter[str] = Counter()
        for one, count in self._used[GPUS].items():
            renamed[names.get(one, one)] += count
        self._used[GPUS] = renamed
        return True

    def leave(self, others: Container[str]) -> None:
        """Without the free GPUs that are others'."""
        self._all[GPUS] = [one for one in self._all[GPUS] if one in self._used[GPUS] or one not in others]

    def idle_out(self) -> list[str]:
        """The GPUs that are out and that no attempt has."""
        return [one for one in self.of(GPUS) if one in self.out and one not in self._used[GPUS]] if self.out else []

    def add(self, new: str) -> None:
        """One more GPU."""
        self._all[GPUS].append(new)

    def swap(self, old: str, new: str) -> None:
        """Another GPU instead of a free one."""
        mine = self._all[GPUS]
        mine[mine.index(old)] = new

    def settle(self, own: Sequence[str]) -> None:
        """These are the claim's GPUs, whatever it was opened with; no attempt of it has any but some of these."""
        used = self._used.setdefault(GPUS, Counter())
        self._all[GPUS] = [*(one for one in self.of(GPUS) if one in used and one not in own), *own]
