"""The placements that a run uses: its own, and those that tasks and categories name.

While all of them are indifferent (policies.protocols.Placement) nothing is kept. Otherwise the open claims with room
are kept by the rank of each placement, and running tasks are counted by the attributes over which placements spread
them.
"""
from __future__ import annotations

from collections import Counter

from mfmesos.core import constraints
from mfmesos.core.claim_table import Claim
from mfmesos.core.model import AgentId, Task
from mfmesos.core.policies import registry
from mfmesos.core.policies.protocols import Placement, Spot
from mfmesos.core.records import TaskRecord
from mfmesos.core.spots import spot
from mfmesos.core.state import State

BESIDE_GPUS = 1e9
"""Added to the rank of claims on agents with GPUs: those come after all others, where tasks may use either."""
RUNS_OWN = ""
"""The name of the run's placement in State.placements."""


def of_task(state: State, task: Task, category: str) -> str:
    """The name of its placement; used from now on. An unknown one, of another version, is that of the run."""
    name = task.placement or dict(state.policy.placements).get(category, RUNS_OWN)
    if name == state.policy.placement:
        return RUNS_OWN
    if name not in state.placements:
        try:
            _use(state, name, registry.placement(name))
        except ValueError:
            return RUNS_OWN
    return name


def _use(state: State, name: str, placement: Placement) -> None:
    state.placements[name] = placement
    if state.keep_rankings():
        count_again(state)
        for claim in {one.agent_id: one for one in state.claims.values() if one.id in state.room}.values():
            note(state, claim)  # with all others on its agent
        state.try_all = True


def note(state: State, claim: Claim) -> None:
    """The claim has changed, or is new: so are the ranks of all claims on its agent."""
    for one in state.claims.of_agent(claim.agent_id):
        if one is claim or one.id in state.room:
            here = spot(state, one)
            for name, ranked in state.ranked.items():
                placement = state.placements[name]
                beside_gpus = BESIDE_GPUS if one.agent_id in state.gpu_agents else 0.0
                ranked.set(one.id, zone_of(state, placement, one.agent_id), placement.rank(here) + beside_gpus,
                           one.free)


def zone_of(state: State, placement: Placement, agent_id: AgentId) -> str:
    """The agent's value of the attribute over which the placement spreads tasks; empty: it has none."""
    if not placement.zones:
        return ""
    return constraints.value_of(state.agent(agent_id), placement.zones) or ""


def order_of(state: State, placement: Placement, agent_id: AgentId, here: Spot) -> tuple[float, float]:
    """Of spots of that placement: smaller ones come first."""
    return tasks_in(state, placement, zone_of(state, placement, agent_id)), placement.rank(here)


def tasks_in(state: State, placement: Placement, zone: str) -> int:
    """Tasks of the run in the zone; 0 if the placement has no zones."""
    return state.zones[placement.zones][zone] if placement.zones else 0


def count(state: State, record: TaskRecord, change: int) -> None:
    """An attempt has started or left its claim."""
    for attribute, counts in state.zones.items():
        for part in record.parts:
            zone = constraints.value_of(state.agent(part.agent_id), attribute) or ""
            counts[zone] += change
            for name, ranked in state.ranked.items():
                if state.placements[name].zones == attribute:
                    ranked.rank_zone(zone, counts[zone])


def count_again(state: State) -> None:
    """A placement is new, or attributes of agents have changed."""
    state.zones = {placement.zones: Counter() for placement in state.placements.values() if placement.zones}
    for task_id in state.under_way if state.zones else ():
        count(state, state.tasks[task_id], 1)
