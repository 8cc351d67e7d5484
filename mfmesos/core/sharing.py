"""Shared folders (--shared-fs): which agents lack one, and the end of tasks that no agent can run."""
from __future__ import annotations

from collections.abc import Iterator

from mfmesos.core import tasks, trust
from mfmesos.core.claim_table import Claim
from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.model import AgentId
from mfmesos.core.outcomes import Decision, Verdict
from mfmesos.core.records import AgentRecord, Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import TaskState
from mfmesos.shared import wire
from mfmesos.shared.messages import sharedfs as m
from mfmesos.shared.sharedfs import folder_of, path_of, placed_stem

NAMED = 3
"""Agents that a reason names."""


def add_to(run: wire.Run, state: State, record: TaskRecord) -> None:
    """What the executor needs for files in place."""
    task, workdir = record.task, state.policy.workdir
    run.shared = {folder: state.shared.get(folder, "") for folder in task.shared}
    run.stay = [name for name in task.outputs
                if name.startswith("/") and folder_of(task.shared, path_of(workdir, name))]
    if len(run.stay) < len(task.outputs) and folder_of(task.shared, path_of(workdir, ".mfmesos")):
        run.place = placed_stem(workdir, record.attempt_id)


def lacking(state: State, claim: Claim, record: TaskRecord, result: wire.Result) -> bool:
    """Whether the attempt ended since its agent lacks a shared folder: it runs again elsewhere, uncharged, and so do
    the attempts of such tasks that the executor has not received.
    """
    folder = result.lacks
    if result.outcome != wire.BROKEN or folder not in record.task.shared:
        return False
    agent = state.agent(claim.agent_id, claim.hostname)
    if agent.lacks.get(folder, 0.0) <= state.now:
        state.note("warning", m.SHARED_AGENT_LACKS(agent=agent.name, folder=folder),
                   every_s=trust.FOR_EVER_S)
    missing(state, agent, folder)
    tasks.carry_out(state, record, Decision(Verdict.RETRY, result.reason), result)
    for unsent in list(claim.unsent):
        other = tasks.current(state, claim, unsent)
        if other is not None and folder in other.task.shared:
            tasks.take_back(state, claim, other, result.reason)
    return True


def missing(state: State, agent: AgentRecord, folder: str) -> None:
    """The agent lacks the folder from now on, until it is tried again."""
    until = agent.lacks[folder] = state.now + trust.LACKS_S
    state.lacking = True
    state.tried_again.arm(f"{folder}\0{agent.id.cluster}\0{agent.id.agent}", until)


def look(state: State, wanted: list[tuple[Shape, int]]) -> None:
    """End the tasks whose shared folders no agent has, after a while; the master may know other agents by then."""
    lost = {shape: folder for shape, _ in wanted if shape.shared and (folder := _nowhere(state, shape))}
    for shape in set(state.sharing_since) - set(lost):
        del state.sharing_since[shape]
    for shape, folder in lost.items():
        since = state.sharing_since.setdefault(shape, state.now)
        if state.listed_since(since) and state.now - since >= state.policy.unsatisfiable_s:
            reason = m.SHARED_NO_AGENT_HAS(folder=folder, agents=_tried(state, folder))
            for record in state.queue.of(shape):
                tasks.end(state, record, TaskState.FAILED, reason)


def waits_for_list(state: State, cluster: ClusterState) -> bool:
    """Whether the decision needs a newer list of the cluster's agents."""
    return any(since > cluster.asked_agents_at for since in state.sharing_since.values())


def _nowhere(state: State, shape: Shape) -> str:
    """A shared folder that every agent lacks that could run tasks of that shape; empty if one may have it: then this
    costs as much as there are agents before that one.
    """
    found, need = "", state.need(shape)
    for agent_id in _present(state) if state.lacking else ():
        folder = trust.lacks(state, shape, agent_id)
        if folder and found:
            continue
        whole = state.whole(agent_id)
        if whole is not None and not state.fits(need, whole, agent_id):
            continue
        if not folder:
            return ""
        found = folder
    return found


def _present(state: State) -> Iterator[AgentId]:
    for cluster in state.live():
        yield from cluster.present()


def _tried(state: State, folder: str) -> str:
    names = sorted(agent.name for cluster in state.live() for agent in cluster.agents.values()
                   if folder in agent.lacks)
    more = [m.SHARED_AND_MORE(others=len(names) - NAMED)] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)
