"""What belongs to one master: the connection, its agents with their offers, and how launches go there."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mfmesos.core.agents import KnownAgents
from mfmesos.core.manners import Manners
from mfmesos.core.model import Agent, AgentId
from mfmesos.core.offer_use import OfferUse
from mfmesos.core.records import AgentRecord, Shortage
from mfmesos.shared.messages import core as m

REVIVE_AT_LEAST_S = 1.0
REVIVE_AT_MOST_S = 60.0
"""After a revive the master offers again what was declined: useful when the need is new, rarely later."""


@dataclass
class ClusterState:
    name: str
    """Empty if it is the only one."""
    known: KnownAgents
    agents: dict[str, AgentRecord] = field(default_factory=dict)
    """By Mesos's id, like `offering`."""
    offering: dict[str, AgentRecord] = field(default_factory=dict)
    """Agents with offers."""
    asked_agents_at: float = -1e9
    connected: bool = False
    suppressed: bool = False
    filtered: bool = False
    """Whether offers were declined since the last revive, so that the master keeps some back."""
    freed: bool = False
    """Whether a claim has ended that was given up for larger ones: a revive has its room offered at once."""
    revive_after: float = -1e9
    revive_pause: float = REVIVE_AT_LEAST_S
    reconciled_at: float = 0.0
    shortage: Shortage = field(default_factory=Shortage)
    launch_failures: int = 0
    """Claims in a row that ended before their first sync."""
    last_launch_failure: str = ""
    launch_failing_since: float = 0.0
    """When the first of those claims was opened."""
    user_failures: int = 0
    """The last of those in a row that failed because of the user that executors run as."""
    hopeless: str = ""
    """Why no executor will ever start."""
    manners: Manners = field(default_factory=Manners)
    offer_use: OfferUse = field(default_factory=OfferUse)
    ended: str = ""
    """Why the run no longer uses it, although the run continues."""

    @property
    def listed(self) -> tuple[Agent, ...] | None:
        """The agents in the master's last list; None: not known yet."""
        return self.known.latest

    def present(self) -> Iterator[AgentId]:
        """The agents that are there, as far as known."""
        if self.listed is None:
            yield from (agent.id for agent in self.agents.values())
        else:
            yield from (self.id_of(agent.id) for agent in self.listed if agent.active)

    def id_of(self, agent: str) -> AgentId:
        return AgentId(self.name, agent)

    def agent(self, agent: str, hostname: str = "") -> AgentRecord:
        """The record of the agent with that id of Mesos's; made at need."""
        record = self.agents.get(agent)
        if record is None:
            record = self.agents[agent] = AgentRecord(AgentId(self.name, agent))
        if hostname:
            record.hostname = hostname
        return record

    def void_offers(self, agent: AgentRecord, now: float, used: bool = False) -> None:
        """Accepted (`used`), declined, or withdrawn by the master."""
        self.offer_use.gone(agent.offers, now, used)
        agent.offers.clear()
        self.offering.pop(agent.id.agent, None)

    def void_all_offers(self, now: float) -> None:
        for agent in list(self.offering.values()):
            self.void_offers(agent, now)

    def named(self, text: str) -> str:
        """A message about it; with its name unless it is the only one."""
        return m.IN_CLUSTER(cluster=self.name, text=text) if self.name else text
