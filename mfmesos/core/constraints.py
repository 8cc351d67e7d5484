"""Constraints: on which agents a task may start, by their attributes (model.Constraint).

`equals`, `like` and `unlike` compare an attribute with a value. `max_per`, `unique` and `group_by` count the tasks of
the same group (or category) that run on agents with the same value. `takes` uses up an agent's attribute that is a
number, such as network_mbps, as long as the task runs. An agent without the attribute meets only `unlike`. `counts`
uses up a counter of the run (see asked), on whatever agent.
"""
from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.model import OF_RUN, Agent, AgentId, Constraint
from mfmesos.core.records import AgentRecord, Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState
from mfmesos.shared.resources import SLACK

HOSTNAME = "hostname"
"""Every agent has it."""


def value_of(agent: AgentRecord, attribute: str) -> str | None:
    return (agent.hostname or None) if attribute == HOSTNAME else agent.attributes.get(attribute)


def meets(constraint: Constraint, value: str | None) -> bool:
    """Whether an agent with that value of the attribute may ever run the task."""
    if constraint.op == OF_RUN:
        return True
    if value is None or constraint.op == "unlike":
        return constraint.op == "unlike" and (value is None or not _matches(constraint.value, value))
    if constraint.op == "equals":
        return value == constraint.value
    if constraint.op == "takes":
        return float(constraint.value) <= number(value) + SLACK
    return constraint.op != "like" or _matches(constraint.value, value)


@functools.lru_cache(maxsize=1000)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _matches(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def number(value: str | None) -> float:
    """Of an attribute; 0 if it is none."""
    try:
        found = float(value or 0.0)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def ever(state: State, where: Sequence[Constraint], agent_id: AgentId) -> bool:
    """Whether the agent meets them, whatever runs."""
    agent = state.agent(agent_id)
    return all(meets(one, value_of(agent, one.attribute)) for one in where)


def left(
    state: State, shape: Shape, agent_id: AgentId, taken: Mapping[str, float] | None = None,
) -> float:
    """How many more tasks of the shape may start there now; infinity without a bound. `taken`: of the agent's
    attributes, if it is not what running tasks take.
    """
    if not ever(state, shape.where, agent_id):
        return 0
    found, agent = math.inf, state.agent(agent_id)
    taken = state.taken.get(agent_id, {}) if taken is None else taken
    for one in shape.where:
        if one.op == "takes":
            rest = number(value_of(agent, one.attribute)) - taken.get(one.attribute, 0.0)
            found = min(found, (rest + SLACK) // float(one.value))
        elif one.op == OF_RUN:
            found = min(found, left_of_counter(state, one) // float(one.value))
        elif one.counted:
            counts: Mapping[str, int] = state.placed.get((one, shape.scope), {})
            here = counts.get(value_of(agent, one.attribute) or "", 0)
            if one.op == "group_by":
                most = min((counts.get(value, 0) for value in values(state, one.attribute)), default=0) + 1
            else:
                most = 1 if one.op == "unique" else int(one.value)
            found = min(found, most - here)
    return max(found, 0)


def left_of_counter(state: State, one: Constraint) -> float:
    """What of the run's counter no task has."""
    return dict(state.policy.counters).get(one.attribute, 0.0) - state.counted.get(one.attribute, 0.0) + SLACK


def left_in_run(state: State, shape: Shape, left: dict[str, float]) -> int:
    """How many tasks of the shape the run's counters allow, after those that were asked for with the same `left`."""
    counted = [one for one in shape.where if one.op == OF_RUN]
    found = 10**9
    for one in counted:
        found = min(found, int(left.setdefault(one.attribute, left_of_counter(state, one)) // float(one.value)))
    found = min(max(found, 0), state.queue.count(shape))
    for one in counted:
        left[one.attribute] -= found * float(one.value)
    return found


def left_to_open(
    state: State, shape: Shape, agent_id: AgentId, taken: Mapping[str, float] | None = None,
) -> float:
    """The same, less what claims on the agent are being launched for."""
    if not shape.where:
        return math.inf
    launching = (c for c in state.claims.of_agent(agent_id) if c.state is ClaimState.LAUNCHING)
    return left(state, shape, agent_id, taken) - sum(claim.expects.get(shape, 0) for claim in launching)


def values(state: State, attribute: str) -> list[str]:
    """Of the agents that are there."""
    found = {value_of(state.agent(agent_id), attribute) for cluster in state.live() for agent_id in cluster.present()}
    return sorted(value for value in found if value is not None)


def count(state: State, record: TaskRecord, change: int) -> None:
    """An attempt has started or left its claim."""
    scope = record.scope
    for one in record.where:
        if one.op == "takes":
            for part in record.parts:
                taken = state.taken.setdefault(part.agent_id, {})
                taken[one.attribute] = taken.get(one.attribute, 0.0) + change * float(one.value)
            state.fresh.update(state.constrained.taking(one.op, one.attribute))
            state.recount = True
        elif one.op == OF_RUN:
            taken_now = state.counted.get(one.attribute, 0.0) + change * float(one.value)
            state.counted[one.attribute] = taken_now if taken_now > SLACK else 0.0
            state.fresh.update(state.constrained.taking(one.op, one.attribute))
        elif one.counted:
            counts = state.placed.setdefault((one, scope), Counter())
            for part in record.parts:
                counts[value_of(state.agent(part.agent_id), one.attribute) or ""] += change
            state.fresh.update(state.constrained.counting(one, scope))
            state.recount = True


def count_again(state: State) -> None:
    """The attributes of agents have changed."""
    if state.placed or state.taken:
        state.placed.clear()
        state.taken.clear()
        state.counted.clear()
        for task_id in state.under_way:
            record = state.tasks[task_id]
            if record.where:
                count(state, record, 1)
    state.try_all = True


def listed(state: State, cluster: ClusterState, agents: Iterable[Agent]) -> bool:
    """The list names the attributes of agents that have made no offers yet; needed where tasks have constraints, or are
    spread over an attribute. Returns whether any is new.
    """
    if not state.zones and not state.constrained:
        return False
    known = [one for one in agents if one.attributes and not cluster.agent(one.id, one.hostname).attributes]
    for one in known:
        cluster.agent(one.id).attributes = one.attributes or {}
    return bool(known)
