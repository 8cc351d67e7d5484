"""What a simulated cluster is: its agents, how long things take there, and who else uses it. Values only."""
from __future__ import annotations

from dataclasses import dataclass

from mfmesos.core.model import Resources


@dataclass(frozen=True)
class AgentGroup:
    """Agents that are alike."""

    count: int
    resources: Resources


@dataclass(frozen=True)
class Costs:
    """How long things take, in seconds. The defaults were measured on a real Mesos with agents on one machine."""

    start_s: float = 0.8
    """From the launch of a claim to its executor's first sync; other frameworks' tasks start as fast by default."""
    sync_s: float = 0.005
    """From the end of an attempt, or the receipt of an answer, to the arrival of the executor's next sync."""
    task_s: float = 0.01
    """From the arrival of an attempt to the start of its command: its sandbox and inputs."""
    publish_s: float = 0.002
    """Until outputs are published."""
    end_s: float = 0.2
    """From a claim's release to the moment when Mesos knows that it has ended."""
    turn_s: float = 0.0
    """One pass of a scheduler's loop: what comes meanwhile is handled together in the next."""
    first_starts_s: tuple[float, ...] = ()
    """`start_s` of the first claims of a run, in the order in which they are opened, where that was measured: which one
    syncs first decides ties.
    """

    def start_of(self, claim: int) -> float:
        """By its number, from 0."""
        return self.first_starts_s[claim] if claim < len(self.first_starts_s) else self.start_s


@dataclass(frozen=True)
class Losses:
    """Agents that are lost with all that runs there, at random."""

    every_s: float = 0.0
    """Mean time between two losses in the cluster; 0: none."""
    noticed_s: float = 75.0
    """Until the master notices: five pings of 15 s."""
    away_s: float = 300.0
    """Until the agent is back, empty."""


@dataclass(frozen=True)
class Rival:
    """Another framework, with tasks that are all alike."""

    name: str
    tasks: int = 0
    """0: without end."""
    size: Resources = Resources(1.0, 512.0)
    """Of each task."""
    seconds: float = 60.0
    at_s: float = 0.0
    """When it subscribes."""
    role: str = "*"
    answer_s: float = 0.0
    """How long it takes to answer an offer."""
    keep_s: float = 0.0
    """How long it keeps an offer that it has no task for."""
    refuse_s: float = 5.0
    """The filter of its declines."""
    suppresses: bool = True
    """Whether it suppresses its role while it has no task to start."""
    per_agent: int = 0
    """Tasks that it runs on one agent at most; 0: as many as fit. The rest of an offer goes back."""
    arrivals_per_s: float = 0.0
    """Tasks that arrive, from `at_s` on; 0: all are there at once."""
    start_s: float | None = None
    """From the launch of a task to its start; None: as long as a claim of ours takes (Costs)."""


@dataclass(frozen=True)
class Cluster:
    name: str
    agents: tuple[AgentGroup, ...]
    costs: Costs = Costs()
    losses: Losses = Losses()
    weights: tuple[tuple[str, float], ...] = ()
    """By role."""
    rivals: tuple[Rival, ...] = ()

    def total(self) -> Resources:
        return sum((group.resources * group.count for group in self.agents), Resources())

    def count(self) -> int:
        return sum(group.count for group in self.agents)
