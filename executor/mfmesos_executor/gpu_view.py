"""What a look at the agent's GPUs means for each of them: pure."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping

from mfmesos.shared.devices import BUSY, FAULTY, FREE, QUARANTINED, Device
from mfmesos.shared.messages import executor as m
from mfmesos_executor.nvidia_smi import Gpu, User

IDLE_MB, GROWTH_MB, MOST_IDLE = 512.0, 256.0, 0.1
"""A GPU counts as empty up to IDLE_MB, which drivers take, or up to GROWTH_MB more than it had when the claim began, if
that was at most this part of its memory: a desktop may be on it.
"""


@dataclass
class Known:
    """A GPU of the agent, as this claim knows it."""

    id: str
    index: str = ""
    type: str = ""
    idle_mb: float = IDLE_MB
    user: str = ""
    """The attempt of this claim that has it."""
    left_at: float | None = None
    """When the last one left it, until a later look finds the GPU empty; the claim keeps others off meanwhile."""
    locked_out: bool = False
    """When it was wanted, another claim had it."""
    state: str = FREE
    reason: str = ""

    def device(self, own: bool) -> Device:
        return Device(self.id, self.state, self.reason, self.index, self.type, own)


def known_from(gpu: Gpu, is_used: bool) -> Known:
    """At the first look."""
    usual = not is_used and gpu.used_mb <= MOST_IDLE * gpu.memory_mb
    return Known(gpu.id, gpu.number, gpu.type, max(IDLE_MB, gpu.used_mb + GROWTH_MB if usual else 0.0))


def judge(known: Known, gpu: Gpu | None, strangers: list[User], others: list[User], name_of: Callable[[int], str],
          is_free: Callable[[str], bool]) -> None:
    """Update the state of a GPU from a look. `strangers`: its processes that are of no attempt of this claim; `others`:
    all but those of `known.user`; `name_of`: describes a process; `is_free`: whether no claim has locked it.
    """
    known.state, known.reason = FREE, ""
    if gpu is None:
        known.state, known.reason = FAULTY, m.GPU_MISSING(gpu=known.id)
    elif gpu.error:
        known.state, known.reason = FAULTY, m.GPU_FAULTY(gpu=known.id, why=gpu.error)
    elif known.user:
        if strangers:
            known.state, known.reason = BUSY, on_it(known.id, strangers[0], name_of)
    elif not known.locked_out and not others and gpu.used_mb <= known.idle_mb:
        pass
    elif known.left_at is not None or is_free(known.id):
        known.locked_out = False
        if others:
            known.state = BUSY if known.left_at is None else QUARANTINED
            known.reason = on_it(known.id, others[0], name_of)
        elif gpu.used_mb > known.idle_mb:
            known.state, known.reason = QUARANTINED, m.GPU_MEMORY_LEFT(gpu=known.id, used=gpu.used_mb)
    elif known.locked_out:
        known.state, known.reason = BUSY, m.GPU_LOCKED(gpu=known.id)


def on_it(gpu: str, user: User, name_of: Callable[[int], str]) -> str:
    return m.GPU_HAS_PROCESS(gpu=gpu, pid=user.pid, name=name_of(user.pid))


def owners(attempts: Mapping[str, Callable[[], set[int]]], pids: set[int]) -> dict[int, str]:
    """The attempts of those processes, as far as they are of one; `attempts`: name -> its processes."""
    found: dict[int, str] = {}
    for name, processes in attempts.items():
        if pids - found.keys():
            found.update(dict.fromkeys(processes() & pids, name))
    return found
