"""Predicts the remaining time, from the usual run times of each category."""
from __future__ import annotations

from mfmesos.core.records import Shape
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState

MOST_UNKNOWN = 0.25
"""Share of the tasks; with more tasks of unknown length no prediction is made."""


def seconds_left(state: State) -> float | None:
    """Seconds until all known tasks have ended in the present claims; None if too little is known."""
    cores = sum(c.resources.cores for c in state.claims_in(ClaimState.OPEN, ClaimState.DRAINING))
    work = longest = 0.0
    unknown = 0
    for shape, count, _ in state.queue.shapes():
        need = state.glance(shape)
        if need.wall_s is None:
            unknown += count
        else:
            work += count * need.wall_s * _cores(state, need.cores)
            longest = max(longest, need.wall_s)
    usual: dict[Shape, float | None] = {}
    for record in state.tasks.values():
        if record.state in (TaskState.ASSIGNED, TaskState.RUNNING):
            shape = record.shape()
            if shape not in usual:
                usual[shape] = state.glance(shape).wall_s
            wall_s = usual[shape]
            if wall_s is None:
                unknown += 1
            else:
                left = max(wall_s - (state.now - record.assigned_at), 0.0)
                work += left * record.allocation.cores
                longest = max(longest, left)
    if not cores or not state.tasks or unknown > MOST_UNKNOWN * len(state.tasks):
        return None
    return max(work / cores * len(state.tasks) / (len(state.tasks) - unknown), longest)


def _cores(state: State, cores: float | None) -> float:
    return state.policy.defaults.cores if cores is None else cores
