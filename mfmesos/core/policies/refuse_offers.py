"""Unused offers are declined at once, always for the same time: the filter that many frameworks set."""
from __future__ import annotations

from collections.abc import Sequence

from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.policies.decline_at_once import DeclineAtOnce
from mfmesos.core.policies.protocols import seconds_of
from mfmesos.core.records import AgentRecord
from mfmesos.core.state import State


class RefuseOffers(DeclineAtOnce):
    def __init__(self, seconds: str) -> None:
        self._refuse_s = seconds_of(seconds)

    def refuse_s(self, state: State, cluster: ClusterState, agents: Sequence[AgentRecord]) -> float:
        return self._refuse_s
