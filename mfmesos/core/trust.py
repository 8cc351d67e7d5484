"""Decides which agents get attempts: an agent that fails attempts in a row is avoided for a while, and a task that
failed at an agent prefers the others.
"""
from __future__ import annotations

from mfmesos.core import constraints, keeping_off
from mfmesos.core.claim_table import Claim
from mfmesos.core.model import AgentId
from mfmesos.core.records import AgentRecord, Shape
from mfmesos.core.state import State
from mfmesos.shared.messages import core as m

IN_A_ROW = 3
"""Failures before an agent is avoided, or broken attempts before a claim is drained."""
MOST_DOUBLINGS = 10
LONGEST_S, LONGEST_ALONE_S = 600.0, 30.0
"""Maximum time to avoid an agent; the second while no other agent is usable."""
LACKS_S = 600.0
"""An agent that lacks a shared folder is tried again after this: somebody may have mounted the folder."""
FOR_EVER_S = 1e9
SHUN_S = 60.0
"""After an agent's last failure, tasks that failed there wait this long for another agent."""


def blame(state: State, agent: AgentRecord, reason: str) -> bool:
    """Record a failure of the cluster at this agent; returns whether the agent is avoided now. Failures while it is
    avoided are of earlier attempts, and do not extend the time.
    """
    agent.failures += 1
    agent.failed_last = state.now
    if state.now < agent.avoid_until:
        return True
    if agent.failures < IN_A_ROW:
        return False
    agent.spell += 1
    longest = LONGEST_S if _others(state, agent.id) else LONGEST_ALONE_S
    pause = min(state.policy.avoid_s * 2.0 ** min(agent.avoided, MOST_DOUBLINGS), longest)
    agent.avoided += 1
    agent.avoid_until = state.now + pause
    state.note(
        "warning", m.AGENT_AVOIDED(
            agent=agent.name, failures=agent.failures, pause=pause, why=reason))
    return pause > 0


def praise(agent: AgentRecord) -> None:
    """Record a finished attempt there."""
    if agent.failures:
        agent.failures = agent.avoided = 0
        agent.spell += 1


def breaks_all(claim: Claim) -> bool:
    """Whether the claim has failed enough attempts in a row to get no more."""
    return claim.broken >= IN_A_ROW


def shunned(state: State, shape: Shape, agent_id: AgentId) -> bool:
    """Whether tasks of that shape wait for another agent, since they failed at this one, or since it does not have a
    shared folder of theirs, or keep off its GPUs.
    """
    if shape.where and not constraints.left(state, shape, agent_id):
        return True
    if state.kept_off and keeping_off.keeps(state, shape, agent_id):
        return True
    if shape.shared and lacks(state, shape, agent_id):
        return True
    if shape.not_on and is_excluded(shape, state.agent(agent_id).hostname):
        return True
    if agent_id not in shape.failed_at:
        return False
    if state.now - state.agent(agent_id).failed_last >= SHUN_S:
        return False
    return any(other not in shape.failed_at for other in _others(state, agent_id, shape))


def is_excluded(shape: Shape, hostname: str) -> bool:
    """Whether no task of that shape may start on the host; a name counts with and without its domain."""
    return any(name == hostname or f"{name}." == hostname[:len(name) + 1] or f"{hostname}." == name[:len(hostname) + 1]
               for name in shape.not_on if hostname)


def lacks(state: State, shape: Shape, agent_id: AgentId) -> str:
    """A shared folder of tasks of that shape that the agent does not have; empty if none is known."""
    missing = state.agent(agent_id).lacks
    return next((folder for folder in shape.shared if missing.get(folder, 0.0) > state.now), "")


def _others(state: State, agent_id: AgentId, shape: Shape | None = None) -> list[AgentId]:
    """Other usable agents that could hold tasks of that shape, as far as known."""
    found = []
    for cluster in state.live():
        here = None if cluster.listed is None else {a.id for a in cluster.listed if a.active}
        for other in cluster.agents.values():
            if other.id == agent_id or other.avoid_until > state.now or (
                    here is not None and other.id.agent not in here):
                continue
            whole = state.whole(other.id)
            if shape is None or whole is None or state.fits(state.need(shape), whole, other.id):
                found.append(other.id)
    return found
