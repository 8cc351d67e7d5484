"""Asks NVIDIA's `nvidia-smi` about the agent's GPUs, in the formats that it has printed since 2013."""
from __future__ import annotations

import subprocess
from typing import Callable, List, NamedTuple, Sequence

from mfmesos.shared.messages import executor as m

TIMEOUT_S = 30.0
"""Without persistence mode the tool initialises every GPU, some seconds each; with a broken driver it may hang."""
GPU_FIELDS = "index,uuid,name,memory.total,memory.used,ecc.errors.uncorrected.volatile.total"
USER_FIELDS = "gpu_uuid,pid,used_memory"
_FORMAT = "--format=csv,noheader,nounits"
_UNKNOWN = ("n/a", "not supported", "insufficient permissions")
"""Of a value that this model, or this user, does not have. Any other text in brackets is an error of the GPU."""

Run = Callable[[List[str], float], str]
"""Runs a program with a limit in seconds and returns its output. Raises OSError or subprocess.TimeoutExpired."""


class Gpu(NamedTuple):
    """One line of --query-gpu. Units: MB (2**20 bytes)."""

    number: str
    id: str
    """The UUID, as CUDA reads it."""
    type: str
    memory_mb: float
    used_mb: float
    error: str = ""
    """What is wrong with it, in the tool's words; empty if nothing."""


class User(NamedTuple):
    """A process on a GPU."""

    gpu: str
    pid: int
    used_mb: float


class Look(NamedTuple):
    """What the tool says at one time."""

    gpus: list[Gpu]
    users: list[User]


class NvidiaSmi:
    """The tool at that path."""

    def __init__(self, path: str, run: Run) -> None:
        self._path, self._run = path, run

    def look(self) -> Look | None:
        """None if the tool does not work. May take seconds."""
        try:
            gpus = gpus_of(self._run([self._path, f"--query-gpu={GPU_FIELDS}", _FORMAT], TIMEOUT_S))
            users = users_of(self._run([self._path, f"--query-compute-apps={USER_FIELDS}", _FORMAT], TIMEOUT_S))
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Look(gpus, users) if gpus else None


def gpus_of(text: str) -> list[Gpu]:
    """The GPUs in the output of --query-gpu, by index; lines of other forms are ignored."""
    found = []
    for fields in _rows(text, 6):
        index, id, name, total, used, errors = fields
        if index.isdigit() and id.startswith(("GPU-", "MIG-")):
            found.append(Gpu(index, id, name, _number(total), _number(used), _error(fields[2:5], errors)))
    return sorted(found, key=lambda gpu: int(gpu.number))


def users_of(text: str) -> list[User]:
    """The processes in the output of --query-compute-apps."""
    return [User(gpu, int(pid), _number(used)) for gpu, pid, used in _rows(text, 3) if pid.isdigit()]


def _rows(text: str, count: int) -> list[list[str]]:
    rows = ([field.strip() for field in line.split(",")] for line in text.splitlines())
    return [row for row in rows if len(row) == count]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _error(values: Sequence[str], errors: str) -> str:
    for value in (*values, errors):
        inner = value.strip("[]")
        if value.startswith("[") and inner.lower() not in _UNKNOWN:
            return inner
    count = int(_number(errors))
    return m.GPU_ECC(count=count) if count else ""
