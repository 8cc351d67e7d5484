"""The protocols of policies: in which order tasks start, where, what is kept for a task that others overtake, and what
happens to offers."""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.decisions import Decision
from mfmesos.core.model import Resources
from mfmesos.core.records import AgentRecord, TaskRecord
from mfmesos.shared.choices import seconds_value
from mfmesos.shared.values import value


def seconds_of(text: str) -> float:
    """The parameter of a policy; raises ValueError."""
    seconds_value(text)
    return float(text)


S = TypeVar("S")
"""The state of the core, which itself holds the policies."""
Reads = TypeVar("Reads", contravariant=True)


class Ordering(Protocol):
    """The order of tasks on two levels: groups by their rank, which may change; the tasks of one group by a key, which
    stays the same for all attempts of a task. Tasks of equal keys start in the order in which they were submitted.
    """

    by_arrival: bool
    """Whether tasks come in the order of their submission alone."""
    starves: bool
    """Whether others may precede a task for ever. Then the oldest of those that wait for long is held for."""

    def group(self, record: TaskRecord) -> str:
        """The group of a new task."""

    def key(self, record: TaskRecord) -> float:
        """Smaller ones come first."""

    def rank(self, group: str) -> float:
        """Of the group now; smaller ones come first."""

    def started(self, group: str, cores: float, now: float) -> None:
        """An attempt of the group has that many cores from now on."""

    def used(self, group: str, cores: float, lasted_s: float, now: float) -> None:
        """The attempt has left its claim, finished or not, after that many seconds."""

    def finished(self, group: str, lasted_s: float) -> None:
        """The run time of an attempt that finished, as its executor measured it."""

    def take_moved(self) -> Collection[str]:
        """The groups whose rank has changed since the last call."""


class Spot(NamedTuple):
    """Where a task could start: an open claim, or an agent with offers."""

    hostname: str
    attributes: Mapping[str, str]
    """Of the agent, as its offers name them; empty before the first offer."""
    free: Resources
    total: Resources
    """Of the claim, or offered."""
    used: Resources
    """Of the agent: by tasks of this run in an open claim's agent; of one with offers all that is not offered."""
    whole: Resources
    """What the agent has when it is empty, as far as known."""
    tasks: int
    """Of this run that run on the agent."""
    taken: Mapping[str, float] = {}
    """Of the attributes that are numbers: what tasks of this run take."""


class Placement(Protocol):
    """Which claims tasks start in, and on which agents claims are opened. Subclasses say what differs."""

    indifferent: bool = False
    """Whether every spot has the same rank: then the first one with room is taken, and no other is looked at."""

    compares: bool = False
    """Whether `cost` depends on the need. Otherwise it is the rank, and one claim with room is as good as the next of
    that rank. Claims are then opened where each task costs least.
    """

    even: bool = False
    """Whether claims are opened so that all agents with offers get equally many tasks, and not one after the other."""

    zones: str = ""
    """An attribute of agents: of all spots those come first with whose value the fewest tasks of the run run, and of
    these the first by rank.
    """

    def rank(self, spot: Spot) -> float:
        """Whatever the task: claims with room, and agents with offers, are looked at by it, smaller ones first. Asked
        when the spot changes, not for each task.
        """

    def cost(self, spot: Spot, need: Resources) -> float:
        """Of a task that is given so much there. Of the first few spots by rank with room for it (spots.MOST_COMPARED)
        the one of least cost is taken; among equal ones the one with most of the inputs' bytes, then the first one.
        """


class PlannedStarts(Protocol[Reads]):
    """What is kept for a task that cannot start while others can."""

    several: bool
    """Whether several tasks may have planned starts at once: then a start is held against all of them in its claim."""
    packs: bool
    """Whether tasks that start in a held claim are chosen so that little is idle until the planned start; otherwise
    the shortest are, or those that come first if `several`.
    """
    cautious: bool
    """Whether a task must be known to end before a planned start, by the longest run time of its category of late; not
    only to do so usually.
    """

    def plan(self, state: Reads, overtaking: TaskRecord) -> Iterator[Decision]:
        """Decisions before `overtaking` starts, at most one unless `several`: Holds, or Refusals of one. Reads the
        state only, as it is when the next one is asked for.
        """


class OfferPolicy(Protocol[Reads]):
    """What happens to offers on which no claim is opened."""

    def keeps(self, state: Reads, cluster: ClusterState, agent: AgentRecord) -> bool:
        """Whether the agent's offers are kept for now."""

    def refuse_s(self, state: Reads, cluster: ClusterState, agents: Sequence[AgentRecord]) -> float:
        """The seconds for which the master need not offer the resources of these agents again."""

    def revives(self, state: Reads, cluster: ClusterState) -> bool:
        """Whether tasks that wait are reason enough to ask the master now for what was declined."""


@value(frozen=True)
class Policies(Generic[S]):
    """Those of one run."""

    ordering: Ordering
    placement: Placement
    planned_starts: PlannedStarts[S]
    offers: OfferPolicy[S]
