"""Offers that no waiting task can use are declined at once: for a few seconds while tasks wait, otherwise for long."""
from __future__ import annotations

from collections.abc import Sequence

from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.records import AgentRecord
from mfmesos.core.state import State


class DeclineAtOnce:
    def keeps(self, state: State, cluster: ClusterState, agent: AgentRecord) -> bool:
        """For a moment, if the master may list the agent and show that it has more."""
        until = agent.unlisted_until
        return (until is not None and state.now < until and state.wanted_since is not None and not state.stopping
                and not cluster.ended and not cluster.known.is_listed(agent.id.agent))

    def refuse_s(self, state: State, cluster: ClusterState, agents: Sequence[AgentRecord]) -> float:
        """What is too small now may be large enough soon, and an agent that is avoided is tried again."""
        wanted = state.wanted_since is not None or any(a.avoid_until > state.now for a in agents)
        return state.policy.refuse_wanted_s if wanted and not cluster.ended else state.policy.refuse_s

    def revives(self, state: State, cluster: ClusterState) -> bool:
        """After a pause, which grows."""
        return state.now >= max(cluster.revive_after, cluster.manners.rests_until)
