"""A run leaves a cluster: its framework ended, or no executor starts there. With the last cluster the run ends."""
from __future__ import annotations

from typing import Callable

from mfmesos.core import claims, demand, tasks
from mfmesos.core.claim_table import Claim
from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.state import State
from mfmesos.core.states import TaskState
from mfmesos.shared.messages import core as m


def framework_ended(state: State, cluster: ClusterState, why: str) -> None:
    """The framework's claims are lost. Its tasks run in the other clusters; without any the run ends."""
    cluster.connected = False
    cluster.void_all_offers(state.now)
    _leave(state, cluster, why, lambda claim: claims.ended(state, claim, why))


def hopeless(state: State, cluster: ClusterState) -> str:
    """Why no executor will start there, or empty."""
    policy, failures = state.policy, cluster.launch_failures
    often = failures >= policy.launch_failures
    long = 4 * failures >= policy.launch_failures and (
        state.now - cluster.launch_failing_since >= policy.launch_give_up_s)
    if cluster.hopeless or not (often or long):
        return cluster.hopeless
    return m.NO_EXECUTOR_STARTS(failures=failures, failure=cluster.last_launch_failure)


def give_up(state: State, cluster: ClusterState, why: str) -> None:
    """No executor starts there: no more offers are used, and what is being launched is ended."""
    _leave(state, cluster, why, lambda claim: claims.release(state, claim))


def _leave(state: State, cluster: ClusterState, why: str, end: Callable[[Claim], None]) -> None:
    """`end` is called for each of its claims, whose tasks run elsewhere."""
    if all(other is cluster for other in state.live()):
        _end_run(state, why)
        return
    if not cluster.ended:
        cluster.ended = why
        state.note("error", m.CLUSTER_LEFT(cluster=cluster.name, why=why))
        cluster.shortage.clear()
        demand.agents_changed(state)
    for claim in state.claims.of_cluster(cluster.name):
        claims.give_back(state, claim)
        end(claim)


def _end_run(state: State, why: str) -> None:
    state.failure, state.complete = why, True
    for record in list(state.tasks.values()):
        if record.state is not TaskState.PUBLISHING:
            tasks.end(state, record, TaskState.WITHDRAWN, why)  # the run's fault, not the task's
    for claim in list(state.claims.values()):
        claims.ended(state, claim, why)
    state.stopping = why
