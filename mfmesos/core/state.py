"""The state of the core in one place, and its policy. The modules beside it change the state."""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field

from mfmesos.core.actions import Action, Note
from mfmesos.core.agents import KnownAgents, most_of, reserved_of
from mfmesos.core.changes import Changes
from mfmesos.core.claim_table import Claim, ClaimTable
from mfmesos.core.cluster_state import ClusterState
from mfmesos.core.constrained import Constrained
from mfmesos.core.deadlines import Deadlines
from mfmesos.core.holds import Holds
from mfmesos.core.mix import Mix
from mfmesos.core.model import AgentId, Constraint, Resources, Steering
from mfmesos.core.nearness import Nearness
from mfmesos.core.needs import Need, Needs
from mfmesos.core.policies.protocols import Placement, Policies
from mfmesos.core.policy import Policy
from mfmesos.core.queue import WaitingQueue
from mfmesos.core.records import AgentRecord, Kind, Shape, TaskRecord
from mfmesos.core.room_index import LeastNeeds, MostRoom, ZonedRoom
from mfmesos.core.sizing import Bound, Wanted, allocation
from mfmesos.core.states import ClaimState, TaskState
from mfmesos.core.temporary_table import Temporaries
from mfmesos.core.under_way import UnderWay
from mfmesos.shared.messages import core as m
from mfmesos.shared.same import Same

MOST_ALIKE, ALIKE_S = 5, 10.0
"""Notes of one kind, and seconds."""


@dataclass
class State:
    policy: Policy
    needs: Needs
    policies: Policies[State]
    names: InitVar[Sequence[str]] = ("",)
    """Of the clusters."""
    now: float = 0.0
    out: list[Action] = field(default_factory=list)

    tasks: dict[int, TaskRecord] = field(default_factory=dict)
    """Tasks that have not ended. Ended tasks are only counted: the state file records them."""
    restored: set[int] = field(default_factory=set)
    """Tasks of an earlier scheduler: the engine submits them again."""
    publishing: dict[str, int] = field(default_factory=dict)
    """Attempt -> task, while its outputs are being published."""
    queue: WaitingQueue = field(init=False)
    under_way: UnderWay = field(default_factory=UnderWay)
    counts: Counter[TaskState] = field(default_factory=Counter)
    order: int = 0
    """Of the last task that was submitted."""
    first_at: float | None = None
    """When the first task was."""
    needed: dict[Shape, Need] = field(default_factory=dict)
    """The needs of waiting shapes; see demand."""
    constrained: Constrained = field(default_factory=Constrained)
    """Those of them that have constraints."""
    waiting: LeastNeeds[Shape] = field(default_factory=LeastNeeds)
    """Waiting shapes by what they need at least; without those that get claims of their own."""
    suspects: LeastNeeds[Shape] = field(default_factory=LeastNeeds)
    """The same for those that get claims of their own."""
    fresh: dict[Shape, None] = field(default_factory=dict)
    """Waiting shapes that may fit where they did not before."""
    retried: dict[Shape, None] = field(default_factory=dict)
    """Waiting shapes that failed somewhere: where they may start also depends on the time, see demand."""
    retried_at: float = -1e9
    """When these were last looked at."""
    stale: dict[Shape, None] = field(default_factory=dict)
    """Waiting shapes whose need may be another one now."""
    holds: Holds = field(default_factory=Holds)
    renewals: Deadlines = field(default_factory=Deadlines)
    renewed_at: dict[str, float] = field(default_factory=dict)
    """By category, like `renewals`."""
    able: list[Resources] | None = None
    """What each agent could offer to tasks of one claim; None: look again."""
    changes: Changes = field(default_factory=Changes)
    """Of tasks: another state, or the end."""
    kinds: Same[Kind] = field(default_factory=Same)
    last_category: str = ""
    """The category of the last submitted task."""
    shared: dict[str, str] = field(default_factory=dict)
    """The shared folders, and the name of the marker in each."""
    tried_again: Deadlines = field(default_factory=Deadlines)
    """By shared folder and agent that lacked it: when the agent is tried again."""
    placed: dict[tuple[Constraint, str], Counter[str]] = field(default_factory=dict)
    """By constraint and the group or category that it counts: running tasks by the attribute's value."""
    taken: dict[AgentId, dict[str, float]] = field(default_factory=dict)
    """Of numeric attributes of agents: what running tasks take."""
    gpu_agents: set[AgentId] = field(default_factory=set)
    """Agents that have GPUs for the run."""
    kept_off: set[Shape] = field(default_factory=set)
    """Waiting shapes that keep off these (see keeping_off)."""
    elsewhere: dict[Shape, bool] = field(default_factory=dict)
    """Whether agents without GPUs could hold them, as far as looked at."""
    by_id: set[str] = field(default_factory=set)
    """Names of the sets and ranges that were offered."""
    counted: dict[str, float] = field(default_factory=dict)
    """Of the run's counters: what running tasks take."""
    recount: bool = False
    """Whether these have changed since tasks were last started."""
    placeless_since: dict[Shape, float] = field(default_factory=dict)
    """Since when no agent is known that meets the constraints."""
    lacking: bool = False
    """Whether an agent was found to lack one."""
    sharing_since: dict[object, float] = field(default_factory=dict)
    """By shape: since when no agent is known that has its shared folders."""
    digests: Counter[str] = field(default_factory=Counter)
    """Number of live tasks that need an input with that content."""
    near: Nearness = field(default_factory=Nearness)
    temporaries: Temporaries = field(default_factory=Temporaries)
    writers: set[str] = field(default_factory=set)
    """Categories one of whose attempts wrote to an input, in this run or an earlier one."""

    claims: ClaimTable = field(default_factory=ClaimTable)
    """Claims that have not ended."""
    mix: Mix = field(init=False)
    room: MostRoom[str] = field(default_factory=MostRoom)
    """Free room of the open claims that any task may share."""
    placements: dict[str, Placement] = field(init=False)
    """By the names that tasks use; that of the run has the empty one (see rankings)."""
    ranked: dict[str, ZonedRoom[str]] = field(default_factory=dict)
    """The same by the rank of each of them, by its name; nothing while all of them are indifferent."""
    zones: dict[str, Counter[str]] = field(default_factory=dict)
    """By attributes over which placements spread tasks: running tasks by the attribute's value."""
    try_all: bool = False
    """Whether any task may fit now in any claim."""
    unfilled: dict[str, Claim] = field(default_factory=dict)
    """Claims that have changed and wait for the next call: one call starts a limited number of tasks, see filling."""
    moves_seen: int = 0
    """ClaimTable.moves when the waiting tasks were last counted against all claims."""
    looked_at: float = -1e9
    """When that was."""
    looks: Deadlines = field(default_factory=Deadlines)
    """By claim: when something about it is due (see claim_timers), at the precision of a Tick."""
    soon: Deadlines = field(default_factory=Deadlines)
    """By claim: when its answer waits no longer; the core is called then."""
    claim_number: int = 0

    clusters: dict[str, ClusterState] = field(init=False)
    """By name, in the order in which their offers are used."""
    most_of_one: Bound = field(init=False)
    """No claim may have more, whatever the agent has."""
    unfinished: bool = False
    """Whether more tasks could start, or more claims be opened on present offers: the core is called again at once."""
    wanted_since: float | None = None
    """Since when tasks wait that no claim will accept; None: no such task."""
    paused_until: float = -1e9
    """Nothing new starts before: the workflow's folder is full."""
    unsatisfiable_since: dict[object, float] = field(default_factory=dict)
    notified: dict[str, float] = field(default_factory=dict)
    alike: dict[str, tuple[float, int]] = field(default_factory=dict)
    """By kind of note: since when, and how many."""

    nothing_new: str = ""
    """Why tasks that are submitted from now on are withdrawn at once."""
    steered: dict[int, Steering] = field(default_factory=dict)
    """What the user has decided about tasks, ended ones included."""
    tried: dict[int, int] = field(default_factory=dict)
    """Attempts of ended tasks that are about to be submitted again."""
    unwanted: set[int] = field(default_factory=set)
    """Cancelled before their submission: checking a task's inputs takes time."""
    complete: bool = False
    """No more tasks will come."""
    ending: bool = False
    """Whether all claims were released since the last task ended."""
    stopping: str = ""
    failure: str | None = None
    over: bool = False

    def __post_init__(self, names: Sequence[str]) -> None:
        policy = self.policy
        self.queue = WaitingQueue(self.policies.ordering)
        self.mix = Mix(policy.estimates)
        self.placements = {"": self.policies.placement}
        self.keep_rankings()
        self.most_of_one = self._bound(Resources(), 1)
        self.clusters = {name: ClusterState(name, KnownAgents(
            policy.executor_memory_mb, policy.away_s, policy.gpus, self.most_of_one)) for name in names}

    def keep_rankings(self) -> bool:
        """Those that are missing are empty; returns whether any is needed."""
        if all(placement.indifferent for placement in self.placements.values()):
            return False
        for name, placement in self.placements.items():
            self.ranked.setdefault(name, ZonedRoom())
            if placement.zones:
                self.zones.setdefault(placement.zones, Counter())
        return True

    def placement(self, shape: Shape) -> Placement:
        return self.placements[shape.placement]

    def need(self, shape: Shape) -> Need:
        """The need of a task of that shape. An estimate alone never asks for more than the largest agent that could
        hold the request.
        """
        need = self.needed.get(shape)
        return need if need is not None else self.fresh_need(shape)

    def fresh_need(self, shape: Shape) -> Need:
        return self._within_agents(shape, self.needs.of(shape, self.now))

    def glance(self, shape: Shape) -> Need:
        """The same as `need` for readers: it leaves no trace in the state."""
        need = self.needed.get(shape)
        return need if need is not None else self._within_agents(shape, self.needs.glance(shape))

    def _within_agents(self, shape: Shape, need: Need) -> Need:
        if shape.kind is None:
            return need
        if self.able is None:
            self.able = self.largest_agents()
        agents = self.able
        if not agents or any(self.fits(need, agent) for agent in agents):
            return need
        able = [agent for agent in agents if self.fits(shape, agent)]
        return need.within(shape, max(able, key=lambda a: (a.memory_mb, a.cores))) if able else need

    def allocation(self, shape: Shape, total: Resources, agent_id: AgentId) -> Resources:
        """A task's allocation from `total`, a claim or offer on that agent; see sizing.allocation."""
        return allocation(self.need(shape), total, self.whole(agent_id) or total, self.policy.defaults)

    def fits(self, need: Wanted, total: Resources, agent_id: AgentId | None = None) -> bool:
        """Whether it fits into `total` of the agent; without an agent, into an agent that has just that."""
        whole = self.whole(agent_id) if agent_id is not None else None
        return allocation(need, total, whole or total, self.policy.defaults).fits_in(total)

    def emit(self, action: Action) -> None:
        self.out.append(action)

    def note(self, level: str, text: str, task_id: int | None = None, *, every_s: float = 0.0) -> None:
        """Notify the user; the same text again only after `every_s`."""
        if every_s and self.now - self.notified.get(text, -1e18) < every_s:
            return
        if every_s:
            self.notified[text] = self.now
        self.emit(Note(level, text, task_id))

    def note_alike(self, kind: str, level: str, text: str, task_id: int | None = None) -> None:
        """The same for texts that differ each time: at most MOST_ALIKE of a kind in ALIKE_S."""
        since, count = self.alike.get(kind, (self.now, 0))
        if self.now - since >= ALIKE_S:
            since, count = self.now, 0
        self.alike[kind] = since, count + 1
        if count < MOST_ALIKE:
            self.emit(Note(level, text, task_id))
        elif count == MOST_ALIKE:
            self.emit(Note(level, m.MORE_ALIKE(text=text, pause=ALIKE_S), task_id))

    def running(self) -> int:
        """Number of tasks that hold resources of a claim."""
        return len(self.tasks) - len(self.queue)

    # --- clusters and agents ---
    def live(self) -> list[ClusterState]:
        """The clusters that the run uses."""
        return [cluster for cluster in self.clusters.values() if not cluster.ended]

    def cluster_of(self, claim: Claim) -> ClusterState:
        return self.clusters[claim.agent_id.cluster]

    def agent(self, agent_id: AgentId, hostname: str = "") -> AgentRecord:
        return self.clusters[agent_id.cluster].agent(agent_id.agent, hostname)

    def whole(self, agent_id: AgentId) -> Resources | None:
        """What the empty agent could offer to the tasks of one claim; None: unknown."""
        return self.clusters[agent_id.cluster].known.whole(agent_id.agent)

    @property
    def has_offers(self) -> bool:
        return any(cluster.offering for cluster in self.clusters.values())

    def listed_since(self, at: float) -> bool:
        """Whether every master has listed its agents since then."""
        return all(cluster.known.listed_at >= at for cluster in self.live())

    def largest_agents(self) -> list[Resources]:
        """What each present agent could offer to tasks of one claim when empty."""
        return [agent for cluster in self.live() for agent in cluster.known.here()]

    def agents_away(self) -> list[tuple[str, Resources]]:
        """The same for agents that are away, with their host names."""
        return [agent for cluster in self.live() for agent in cluster.known.away()]

    def largest_agent(self) -> Resources | None:
        """The maximum of each resource alone, including agents that are away; None while no agent is known."""
        return most_of(most for cluster in self.live() if (most := cluster.known.most()) is not None)

    def all_have(self, cores: float) -> bool:
        """Whether every present agent has that many cores, and every master's agents are known."""
        return all(cluster.known.all_have(cores) for cluster in self.live())

    def reserved(self, fields: Iterable[str]) -> str:
        """What other roles have reserved of these resources, see KnownAgents.reserved."""
        return reserved_of([cluster.known for cluster in self.live()], fields)

    # --- claims ---
    def left_to_claim(self) -> Bound:
        """What one more claim may have of --max-cores and --max-memory; infinite where there is no bound."""
        return self._bound(self.claims.held, len(self.claims) + 1)

    def _bound(self, held: Resources, executors: int) -> Bound:
        cores, memory = self.policy.max_cores, self.policy.max_memory_mb
        own = executors * self.policy.executor_memory_mb
        return Bound(math.inf if cores is None else max(cores - held.cores, 0.0),
                     math.inf if memory is None else max(memory - held.memory_mb - own, 0.0))

    def rank_again(self, claim: Claim) -> None:
        """What the placement knows of its agent has changed."""
        if self._unrank(claim):
            claim.touch()

    def forget_room(self, claim: Claim) -> None:
        """It takes no more tasks."""
        if claim.id in self.room:
            self.room.remove(claim.id)
        self._unrank(claim)

    def _unrank(self, claim: Claim) -> bool:
        """Returns whether it was ranked."""
        found = [ranked for ranked in self.ranked.values() if claim.id in ranked]
        for ranked in found:
            ranked.remove(claim.id)
        return bool(found)

    def claims_in(self, *states: ClaimState) -> list[Claim]:
        return self.claims.in_states(*states)
