"""What waits, prepared for matching: the need of each waiting shape, renewed when more is known of its category, and a
tree that finds the shapes which fit into a room.
"""
from __future__ import annotations

import math

from mfmesos.core import keeping_off
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import AgentId, Resources
from mfmesos.core.needs import Need
from mfmesos.core.records import NOWHERE, Shape, TaskRecord
from mfmesos.core.sizing import USEFUL_MEMORY_MB
from mfmesos.core.state import State

RETRIED_EVERY_S = 1.0
"""Tasks that failed somewhere, or that keep off agents with GPUs, are looked at that often: what they may use changes
within seconds at the earliest."""
AT_ONCE = 50
"""Needs that are renewed in one call: a category may have thousands of shapes."""


def learned(state: State, attempt: Attempt) -> None:
    """The attempt was learned from: the needs of its category's shapes are renewed, at once or soon."""
    category, exhausted = attempt.category, attempt.outcome.startswith("exhausted:")
    lasts_s = 0.0 if exhausted else state.needs.lasts_s(category)
    state.renewals.arm(category, max(state.renewed_at.get(category, -math.inf) + lasts_s, state.now))


def agents_changed(state: State) -> None:
    """What the agents have is no longer what it was: needs and allocations may be other ones."""
    state.able = None
    state.elsewhere.clear()
    state.retried_at = -math.inf
    state.stale.update(dict.fromkeys(state.needed))
    state.try_all = True


def has_gpus(state: State, agent_id: AgentId) -> None:
    """The agent has GPUs, which is news: tasks without GPUs keep off it."""
    state.gpu_agents.add(agent_id)
    state.elsewhere.clear()
    state.retried.update((shape, None) for shape in state.needed if not shape.gpus)
    state.retried_at = -math.inf


def room_elsewhere(state: State) -> None:
    """An agent without GPUs makes offers: tasks keep off the others at once."""
    if state.gpu_agents:
        state.retried_at = -math.inf


def renew_all(state: State) -> None:
    """What earlier runs left is known now."""
    state.stale.update(dict.fromkeys(state.needed))


def refresh(state: State) -> None:
    """Bring needs and tree up to date with the queue, the estimates and the agents."""
    for category in state.renewals.due(state.now):
        state.renewed_at[category] = state.now
        state.stale.update(dict.fromkeys(state.queue.of_category(category)))
    follow_queue(state)
    for key in state.tried_again.due(state.now):
        folder = key.partition("\0")[0]
        state.fresh.update(dict.fromkeys(shape for shape in state.needed if folder in shape.shared))
    for shape in list(state.stale)[:AT_ONCE]:
        del state.stale[shape]
        _renew(state, shape)
    if state.retried and state.now - state.retried_at >= RETRIED_EVERY_S:
        state.retried_at = state.now
        state.fresh.update(state.retried)
        for shape in state.retried if state.gpu_agents else ():
            keeping_off.look(state, shape)


def follow_queue(state: State) -> None:
    """Tasks have come to the queue or left it."""
    for shape in state.queue.take_changed():
        first = state.queue.first(shape)
        if first is None:
            _forget(state, shape)
        elif shape in state.needed:
            _rank(state, shape, first)
        else:
            _take_in(state, shape, first)


def _forget(state: State, shape: Shape) -> None:
    state.needed.pop(shape, None)
    state.elsewhere.pop(shape, None)
    state.kept_off.discard(shape)
    for shapes in (state.fresh, state.stale, state.retried):
        shapes.pop(shape, None)
    state.constrained.discard(shape)
    for tree in (state.waiting, state.suspects):
        if shape in tree:
            tree.remove(shape)


def _take_in(state: State, shape: Shape, first: TaskRecord) -> None:
    state.needed[shape] = state.fresh_need(shape)
    state.fresh[shape] = None
    if shape.failed_at or (state.gpu_agents and not shape.gpus):
        state.retried[shape] = None
        keeping_off.look(state, shape)
    if shape.where:
        state.constrained.add(shape)
    _rank(state, shape, first)


def _renew(state: State, shape: Shape) -> None:
    first = state.queue.first(shape)
    if first is None:
        return
    old = _least(state, state.needed[shape])
    state.needed[shape] = state.fresh_need(shape)
    new = _least(state, state.needed[shape])
    _rank(state, shape, first)
    if not old.fits_in(new):
        state.fresh[shape] = None


def _rank(state: State, shape: Shape, first: TaskRecord) -> None:
    if shape.at != NOWHERE:  # it cannot start yet
        tree = state.suspects if shape.solo else state.waiting
        tree.set(shape, state.queue.rank(first), _least(state, state.needed[shape]))


def _least(state: State, need: Need) -> Resources:
    """What sizing.allocation gives at least, on whatever agent."""
    defaults = state.policy.defaults
    cores = need.cores if need.cores is not None else defaults.cores if state.all_have(defaults.cores) else 0.0
    memory = need.memory_mb if need.memory_mb is not None else max(need.floor_memory_mb, USEFUL_MEMORY_MB)
    disk = need.disk_mb if need.disk_mb is not None else need.floor_disk_mb
    return Resources(cores, memory, disk, need.gpus, need.others)
