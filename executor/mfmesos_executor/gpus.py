"""The GPUs of a claim, as far as attempts concern themselves with them; who keeps them is in gpu_keeper.py."""
from __future__ import annotations

from typing import Mapping, Protocol

from mfmesos.shared.devices import Device
from mfmesos.shared.wire import BROKEN, Result, Run
from mfmesos_executor.environ import gpu_variables
from mfmesos_executor.limits import Exceeded

NONE = gpu_variables(())
"""For an attempt without GPUs: it sees none."""


class Holder(Protocol):
    """An attempt as far as GPUs concern it."""

    @property
    def run(self) -> Run: ...

    def processes(self) -> set[int]: ...

    def exhaust(self, exceeded: Exceeded) -> None: ...


class Busy(Exception):
    """GPUs that an attempt was given are not to be had: it must run again, with others."""

    def __init__(self, ids: list[str], reason: str) -> None:
        super().__init__(reason)
        self._ids = ids

    def result(self, attempt: str) -> Result:
        return Result(attempt, BROKEN, str(self), busy=self._ids)


class NoGpus:
    """Of a claim that holds none: costs nothing."""

    def enter(self, attempt: Holder) -> Mapping[str, str]:
        return NONE

    def leave(self, attempt: Holder) -> float:
        return 0.0

    def begin(self) -> None:
        """Nothing to do."""

    def report(self) -> list[Device]:
        return []
