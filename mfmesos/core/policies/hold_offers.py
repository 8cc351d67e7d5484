"""Unused offers are kept for some seconds before they are declined, in case a task comes that fits.

Mesos counts what is offered as used by the run, so others get less meanwhile: for experiments (docs/policies.md).
"""
from __future__ import annotations

from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.policies.decline_at_once import DeclineAtOnce
from mfmesos.core.policies.protocols import seconds_of
from mfmesos.core.records import AgentRecord
from mfmesos.core.state import State


class HoldOffers(DeclineAtOnce):
    def __init__(self, seconds: str) -> None:
        self._hold_s = seconds_of(seconds)

    def keeps(self, state: State, cluster: ClusterState, agent: AgentRecord) -> bool:
        """For so long after the first of the agent's offers arrived, unless the run or its cluster ends before."""
        return not state.stopping and not cluster.ended and state.now < agent.offered_at + self._hold_s
