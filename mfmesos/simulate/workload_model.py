"""What a simulated workload is: tasks with the amounts and times that they will really take."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mfmesos.core.model import Request


class SimTask(NamedTuple):
    """Units: cores, MB, seconds."""

    id: int
    category: str
    seconds: float
    """How long its command runs, on as many cores as it uses."""
    cores: float = 1.0
    memory_mb: float = 0.0
    """Its peak, which it reaches evenly over its run time."""
    disk_mb: float = 0.0
    request: Request = Request()
    input_mb: float | None = None
    at_s: float = 0.0
    """When it arrives; tasks are in this order."""
    parents: tuple[int, ...] = ()
    """It is submitted once these have finished."""
    command: str = ""


@dataclass(frozen=True)
class Workload:
    """`tasks` may be made while they are read, so that a million of them need no room."""

    name: str
    tasks: Iterable[SimTask]
    role: str = "*"
    at_s: float = 0.0
    """When its run starts."""
