"""Shortage: no task of the run is running, and no offer is large enough. Reports to the user who holds the agents."""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mfmesos.core import trust
from mfmesos.core.actions import ListAgents
from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.model import Agent, AgentId, Holder, Resources
from mfmesos.core.records import Shape
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState
from mfmesos.shared.messages import shortage as m
from mfmesos.shared.values import value

AFTER_S = 3.0
"""Tasks wait this long before the master is asked who holds what."""
EVERY_S = 5.0
BLIND_AFTER_S = 4.5
"""Without an answer by then, the line has no names."""
AGAIN_S = 30.0
"""Amounts change all the time: a change of amounts alone is reported no sooner. Another holder is reported at once."""
MOST_NAMED = 4
SMALL_MB = 1.0


@value(frozen=True)
class _View:
    """The content of a line: each holder's part of `total`; compared by `who`."""

    text: str
    who: tuple[tuple[str, bool], ...]


def look(state: State, wanted: Sequence[Shape]) -> None:
    """Tasks of these shapes wait. Asks the masters after a while; `listed` handles their answers."""
    going_on = state.running() or any(state.claims.each_in(ClaimState.LAUNCHING)) or not _possible(state, wanted)
    for cluster in state.live():
        if going_on or not cluster.connected or cluster.manners.rests_until > state.now:
            cluster.shortage.clear()
        else:
            _look(state, cluster)


def _look(state: State, cluster: ClusterState) -> None:
    own = cluster.shortage
    if own.since is None:
        own.since = state.now
    if state.now - own.since < AFTER_S:
        return
    if state.now - own.asked_at >= EVERY_S:
        own.asked_at = state.now
        state.emit(ListAgents(True, cluster.name))
    if not own.text and state.now - own.since >= BLIND_AFTER_S:
        _say(state, cluster, _View(m.SHORTAGE_NOTHING_OFFERED(tasks=_tasks(state)), ()))


def _possible(state: State, wanted: Sequence[Shape]) -> bool:
    """Whether an empty agent could hold any of them, or no list of agents excludes it. The others are ended
    elsewhere.
    """
    known, since = state.largest_agents(), state.unsatisfiable_since
    return bool(wanted) and (not known or any(
        not state.listed_since(since.get(shape, -math.inf)) or any(state.fits(shape, agent) for agent in known)
        for shape in wanted))


def listed(state: State, cluster: ClusterState, holders: Sequence[Holder]) -> None:
    """The master has listed its agents, and the frameworks that hold resources as far as it shows them."""
    own = cluster.shortage
    if own.since is None or state.now - own.since < AFTER_S:
        return
    view = _view(state, cluster, holders)
    if not own.text or view.who != own.who or (view.text != own.text and state.now - own.noted_at >= AGAIN_S):
        _say(state, cluster, view)


def _say(state: State, cluster: ClusterState, view: _View) -> None:
    own = cluster.shortage
    own.text, own.who, own.noted_at = view.text, view.who, state.now
    state.note("warning", cluster.named(view.text))


def _view(state: State, cluster: ClusterState, holders: Sequence[Holder]) -> _View:
    agents = [a for a in cluster.listed or () if a.active]
    if not agents:
        return _View(m.SHORTAGE_NO_AGENTS(tasks=_tasks(state)), ())
    asked = {name for shape, _, _ in state.queue.shapes() for name, _ in shape.others}
    agents = [replace(a, resources=_only(asked, a.resources), used=_only(asked, a.used)) for a in agents]
    holders = [replace(h, used=_only(asked, h.used)) for h in holders]
    total, used = _sum(a.resources for a in agents), _sum(a.used for a in agents)
    named = sorted((h for h in holders if _counts(h.used)), key=lambda h: (-h.used.cores, -h.used.memory_mb, h.name))
    rest = (used - _sum(h.used for h in named)).at_least_zero()
    parts = [m.SHORTAGE_HOLDS(holder=_who(h), amount=_amount(h.used)) for h in named[:MOST_NAMED]]
    if named[MOST_NAMED:]:
        rest = rest + _sum(h.used for h in named[MOST_NAMED:])
    if _counts(rest):
        parts.append(m.SHORTAGE_OTHERS_HOLD(amount=_amount(rest)))
    kept = {role: amount for a in agents for role, amount in a.reserved if _counts(amount)}
    parts += [m.SHORTAGE_MORE_RESERVED(role=role) for role in sorted(kept)[:MOST_NAMED]]
    text = m.SHORTAGE_NOTHING_LARGE_ENOUGH(
        tasks=_tasks(state), total=_amount(total), holders="; ".join(parts) or m.SHORTAGE_NOBODY_HOLDS(),
        unoffered=_unoffered(state, cluster, agents))
    return _View(text, tuple((h.id, h.active) for h in named))


def _unoffered(state: State, cluster: ClusterState, agents: Sequence[Agent]) -> str:
    """Why an agent with free resources is of no use."""
    own = Resources(memory_mb=state.policy.executor_memory_mb)
    for agent in agents:
        free, agent_id = (agent.resources - agent.used - own).at_least_zero(), AgentId(cluster.name, agent.id)
        fitting = [shape for shape, _, _ in state.queue.shapes() if state.fits(shape, free, agent_id)]
        if not fitting:
            continue
        record = cluster.agents.get(agent.id)
        if record is not None and record.avoid_until > state.now:
            return m.SHORTAGE_AVOIDED(agent=agent.hostname)
        if all(trust.is_excluded(shape, agent.hostname) for shape in fitting):
            return m.SHORTAGE_EXCLUDED(agent=agent.hostname)
        if all(trust.shunned(state, shape, agent_id) for shape in fitting):
            return m.SHORTAGE_SHUNNED(agent=agent.hostname, pause=trust.SHUN_S)
        if agent.id in cluster.known.with_gpus and not state.policy.gpus:
            return m.SHORTAGE_HAS_GPUS(agent=agent.hostname)
        return m.SHORTAGE_NOT_OFFERED(agent=agent.hostname)
    return ""


def _only(asked: set[str], amount: Resources) -> Resources:
    """Without other resources than these: every agent of Mesos has a thousand ports."""
    return amount._replace(others=tuple(one for one in amount.others if one[0] in asked)) if amount.others else amount


def _who(holder: Holder) -> str:
    if holder.own:
        return m.SHORTAGE_THIS_RUN()
    if holder.active:
        return holder.name
    if holder.name.startswith("mfmesos"):
        return m.SHORTAGE_HOLDER_DEAD(name=holder.name)
    return m.SHORTAGE_HOLDER_DISCONNECTED(name=holder.name)


def _tasks(state: State) -> str:
    count = len(state.queue)
    return m.SHORTAGE_ONE_WAITS() if count == 1 else m.SHORTAGE_SOME_WAIT(count=count)


def _counts(amount: Resources) -> bool:
    return amount.cores >= 0.01 or amount.memory_mb >= SMALL_MB or amount.gpus > 0 or bool(amount.others)


def _amount(amount: Resources) -> str:
    cores = f"{amount.cores:.4g} core{'' if amount.cores == 1 else 's'}"
    gpus = f" and {amount.gpus:g} GPUs" if amount.gpus else ""
    others = "".join(f" and {much:,g} {name}" for name, much in amount.others)
    return f"{cores} and {amount.memory_mb:,.0f} MB memory{gpus}{others}"


def _sum(amounts: Iterable[Resources]) -> Resources:
    return sum(amounts, Resources())
