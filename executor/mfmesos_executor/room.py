"""Decides which attempts of a claim may run: as many as its resources hold, in their order of arrival.

The scheduler queues short attempts ahead, so that no resources wait for a round trip between them. What it gives by id,
such as a GPU, may still be in use by an attempt that it has just taken back: no two attempts here have the same id.
"""
from __future__ import annotations

from collections import deque
from typing import Callable, Union

from mfmesos.shared.resources import Resources, named
from mfmesos.shared.wire import ClaimData, Run


class Room:
    """Not thread-safe: belongs to the claim's loop."""

    def __init__(self, claim: ClaimData) -> None:
        self._whole = self._left = _amounts(claim)
        self._waiting: deque[tuple[Run, Callable[[], None]]] = deque()
        self._inside: dict[str, Resources] = {}
        self._ids: dict[str, set[tuple[str, str]]] = {}
        """What those inside have by id."""

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter(self, run: Run, start: Callable[[], None]) -> None:
        """Start it now, or as soon as enough resources are free: an attempt that is alone always starts."""
        self._waiting.append((run, start))
        self._admit()

    def has_started(self, attempt: str) -> bool:
        return attempt in self._inside

    def leave(self, attempt: str) -> None:
        """It has ended, or need not start any more."""
        needs = self._inside.pop(attempt, None)
        self._ids.pop(attempt, None)
        if needs is None:
            self._waiting = deque(item for item in self._waiting if item[0].attempt != attempt)
        else:
            self._left = self._left + needs if self._inside else self._whole  # no rounding error left over
        self._admit()

    def keep_disk(self, attempt: str) -> None:
        """Its processes are gone: the next attempt need not wait until its outputs are delivered."""
        self._ids.pop(attempt, None)
        needs = self._inside.get(attempt)
        if needs is not None:
            disk = self._inside[attempt] = Resources(disk_mb=needs.disk_mb)
            self._left = self._left + needs - disk
            self._admit()

    def shrink(self, part: Resources) -> None:
        """That part of it is given back."""
        self._whole, self._left = self._whole - part, self._left - part

    def _admit(self) -> None:
        while self._waiting:
            run, start = self._waiting[0]
            needs, ids = _amounts(run), {(name, one) for name, some in run.given.items() for one in some}
            if self._inside and not (needs.fits_in(self._left) and all(map(ids.isdisjoint, self._ids.values()))):
                return
            self._waiting.popleft()
            self._inside[run.attempt] = needs
            if ids:
                self._ids[run.attempt] = ids
            self._left = self._left - needs
            start()


def _amounts(of: Union[ClaimData, Run]) -> Resources:
    return Resources(of.cores, of.memory_mb, of.disk_mb, of.gpus, named(of.others))
