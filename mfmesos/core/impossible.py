"""Ends tasks whose constraints no agent meets, with what the agents have."""
from __future__ import annotations

from mfmesos.core import constraints, gpu_ids, tasks
from mfmesos.core.model import AgentId, Constraint
from mfmesos.core.records import Shape
from mfmesos.core.state import State
from mfmesos.core.states import TaskState
from mfmesos.shared.messages import core as m
from mfmesos.shared.messages.resources import RESOURCE_NOT_SPLIT

NAMED = 5
"""Values that a reason names."""


def look(state: State, wanted: list[tuple[Shape, int]]) -> None:
    """After a while, since the master may know other agents by then; at once what is asked for in parts of an item."""
    for shape, _ in wanted:
        name = shape.others and gpu_ids.splits(state, shape)
        if name:
            reason = RESOURCE_NOT_SPLIT(name=name, amount=dict(shape.others)[name])
            for record in state.queue.of(shape):
                tasks.end(state, record, TaskState.FAILED, reason)
    lost = {shape: bad for shape, _ in wanted if shape.where and (bad := _unmet(state, shape)) is not None}
    for shape in set(state.placeless_since) - set(lost):
        del state.placeless_since[shape]
    for shape, constraint in lost.items():
        since = state.placeless_since.setdefault(shape, state.now)
        if state.listed_since(since) and state.now - since >= state.policy.unsatisfiable_s:
            for record in state.queue.of(shape):
                tasks.end(state, record, TaskState.FAILED, _reason(state, shape, constraint))


def waits_for_list(state: State, asked_at: float) -> bool:
    """Whether the decision needs a newer list of the agents."""
    return any(since > asked_at for since in state.placeless_since.values())


def _unmet(state: State, shape: Shape) -> Constraint | None:
    """The first constraint that no agent meets which is large enough and meets those before; None if one meets all."""
    agents = _large_enough(state, shape)
    for number, one in enumerate(shape.where, 1):
        if agents and not any(constraints.ever(state, shape.where[:number], agent_id) for agent_id in agents):
            return one
    return None


def _large_enough(state: State, shape: Shape) -> list[AgentId]:
    """As far as known."""
    need = state.need(shape)
    return [agent_id for cluster in state.live() for agent_id in cluster.present()
            if (whole := state.whole(agent_id)) is None or state.fits(need, whole, agent_id)]


def _reason(state: State, shape: Shape, constraint: Constraint) -> str:
    has = (constraints.value_of(state.agent(a), constraint.attribute) for a in _large_enough(state, shape))
    there = sorted({value for value in has if value is not None})
    if not there:
        return m.NO_AGENT_HAS_ATTRIBUTE(constraint=str(constraint), attribute=constraint.attribute)
    named = ", ".join(there[:NAMED]) + (", ..." if len(there) > NAMED else "")
    return m.NO_AGENT_MEETS(constraint=str(constraint), attribute=constraint.attribute, values=named)
