"""An ended attempt, as history stores it and estimates learn from it."""
from __future__ import annotations

from mfmesos.shared.values import value

WROTE_INPUT = "wrote_input"
"""The outcome of the first attempt of a category that wrote to an input."""


@value(frozen=True)
class Attempt:
    """An ended attempt. Units: seconds (ended_at since the epoch), MB, cores; None where unknown."""

    ended_at: float
    """0 in the core, which has no calendar."""
    category: str
    outcome: str
    """finished, failed, killed, broken, exhausted:RESOURCE (memory, disk, ...), or WROTE_INPUT."""
    workflow: str = ""
    """The name of the workflow's folder."""
    signature: str = ""
    """See estimates.category: `signature`, a full stop, `exact`."""
    context: str = ""
    """The category of the task submitted before it."""
    input_mb: float | None = None
    requested_cores: float | None = None
    requested_memory_mb: float | None = None
    requested_disk_mb: float | None = None
    allocated_cores: float | None = None
    allocated_memory_mb: float | None = None
    allocated_disk_mb: float | None = None
    measured_cores: float | None = None
    measured_memory_mb: float | None = None
    measured_disk_mb: float | None = None
    wall_s: float | None = None
    cpu_s: float | None = None
    exit_code: int | None = None
    host: str = ""
    resources: str = ""
    """What else was allocated, as Mesos writes it: "gpus:1;licences:2"."""
    measured_gpu_memory_mb: float | None = None
    """On its GPUs together."""
