"""How many workers each manager is given."""
from __future__ import annotations

import cProfile
import math
import pstats
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import Resources
from mfmesos.shares.desk import Pool
from mfmesos.shares.pool_values import Decisions, ManagerStatus, Pace, PoolWorker, ProjectSettings
from mfmesos.shares.water_filling import Claimant, share

AGENT = Resources(8, 16000, 80000)
PACE = Pace()


def manager(project: str = "p", waiting: int = 0, cores: float = 1, memory: float = 100, port: int = 9123,
            running: int = 0) -> ManagerStatus:
    return ManagerStatus(project, "h", port, waiting, running, Resources(cores, memory) * (waiting + running),
                         Resources(cores, memory))


class Cluster:
    """Carries decisions out at once."""

    def __init__(self, settings: dict[str, ProjectSettings], cores: float = math.inf) -> None:
        self.pool, self.settings, self.cores = Pool(), settings, cores
        self.workers: list[PoolWorker] = []
        self.made = 0

    def round(self, managers: list[ManagerStatus], now: float) -> Decisions:
        made = self.pool.decide(managers, self.settings, self.workers, AGENT, now, cluster_cores=self.cores)
        gone = {d.worker_id for d in made.drains}
        self.workers = [w for w in self.workers if w.id not in gone]
        for start in made.starts:
            for _ in range(start.count):
                self.made += 1
                self.workers.append(PoolWorker(f"w{self.made}", start.manager.key, start.size, now))
        return made

    def settle(self, managers: list[ManagerStatus], now: float = 0.0, rounds: int = 60) -> float:
        for _ in range(rounds):
            made = self.round(managers, now)
            now += 1.0
            if not made.starts and not made.drains:
                break
        return now

    def of(self, project: str) -> float:
        return sum(w.size.cores for w in self.workers if w.manager.startswith(f"{project} "))

    def idle(self, since: float) -> None:
        self.workers = [replace(w, idle_since=since) for w in self.workers]


def test_few_large_workers() -> None:
    """20 tasks of one core on agents of 8: two whole agents and one worker for the remaining four."""
    cluster = Cluster({"p": ProjectSettings()})
    cluster.settle([manager(waiting=20)])
    assert sorted(w.size.cores for w in cluster.workers) == [4, 8, 8]
    assert cluster.workers[0].size == AGENT


def test_memory_bounds_the_slots() -> None:
    """Tasks of 8,000 MB: two to an agent, so a worker for two is asked for, with all that they need."""
    cluster = Cluster({"p": ProjectSettings()})
    cluster.settle([manager(waiting=4, memory=8000)])
    assert [(w.size.cores, w.size.memory_mb) for w in cluster.workers] == [(2, 16000)] * 2


def test_why_not_more() -> None:
    """Each thing that keeps a project from more workers is named."""
    def why(its: ProjectSettings, status: ManagerStatus, cores: float = math.inf) -> str:
        return Pool().decide([status], {"p": its}, [], AGENT, 0.0, cluster_cores=cores).why_not_more.get("p", "")
    assert why(ProjectSettings(), manager(waiting=3)) == ""
    assert "limit of 2 workers" in why(ProjectSettings(max_workers=2), manager(waiting=100))
    assert "limit of 4 cores" in why(ProjectSettings(max_cores=4), manager(waiting=100))
    assert "its share is 16 cores of the 100" in why(ProjectSettings(), manager(waiting=100), 16)
    assert "largest task requests 9 cores" in why(ProjectSettings(), manager(waiting=1, cores=9))
    assert "next round" in why(ProjectSettings(), manager(waiting=1000))
    assert "fits on no agent" in why(ProjectSettings(worker=Resources(16)), manager(waiting=1))


def test_manager_gone_releases_its_workers_within_a_minute() -> None:
    """Not heard of for a while: drained, busy or not; not before."""
    cluster = Cluster({"p": ProjectSettings(min_workers=1)})
    now = cluster.settle([manager(waiting=20)])
    assert not cluster.round([], now + PACE.gone_s - 2).drains
    assert {d.reason for d in cluster.round([], now + 55).drains} == {"its manager is gone"}
    assert cluster.workers == []


def test_idle_workers_are_drained_and_the_minimum_kept() -> None:
    """Without tasks all idle workers but the minimum go, after they were idle for a while."""
    cluster = Cluster({"p": ProjectSettings(min_workers=1)})
    now = cluster.settle([manager(waiting=20)])
    cluster.idle(now)
    assert not cluster.round([manager()], now + 1).drains
    cluster.settle([manager()], now + PACE.idle_s)
    assert len(cluster.workers) == 1


def test_tasks_of_different_sizes() -> None:
    """One task of 8 cores and 40 of one are 48 cores, not 41 times 8."""
    cluster = Cluster({"p": ProjectSettings()})
    cluster.settle([ManagerStatus("p", "h", 1, 41, 0, Resources(48, 4100), Resources(8, 100))])
    assert cluster.of("p") == 48


def test_a_full_project_claims_no_share() -> None:
    """What a project's bound keeps it from using goes to the others."""
    cluster = Cluster({"a": ProjectSettings(max_workers=1), "b": ProjectSettings()}, cores=64)
    cluster.settle([manager("a", 200), manager("b", 200)])
    assert (cluster.of("a"), cluster.of("b")) == (8, 56)


def test_tasks_that_fit_nowhere_get_no_worker() -> None:
    """All tasks ask for more than an agent has: nothing is started for them; with smaller ones among them it is."""
    assert not Pool().decide([manager(waiting=3, cores=9)], {"p": ProjectSettings()}, [], AGENT, 0.0).starts
    mixed = ManagerStatus("p", "h", 1, 3, 0, Resources(11, 300), Resources(9, 100))
    assert Pool().decide([mixed], {"p": ProjectSettings()}, [], AGENT, 0.0).starts


def test_workers_that_leave_are_left_alone() -> None:
    """They ask their manager, which knows whether a worker has the only copy of a file."""
    cluster = Cluster({"p": ProjectSettings()})
    now = cluster.settle([manager(waiting=20)])
    cluster.idle(now)
    cluster.workers = [replace(w, leaves=True) for w in cluster.workers]
    assert not cluster.round([manager()], now + 1000).drains


def test_busy_workers_stay() -> None:
    """A queue that shrinks takes no worker away that has work."""
    cluster = Cluster({"p": ProjectSettings()})
    now = cluster.settle([manager(waiting=20)])
    assert not cluster.round([manager(running=1)], now + 1000).drains


def test_crashes_back_off() -> None:
    """Twice as long each time, the reason is kept, and a worker that connects ends it."""
    pool, its, m = Pool(), {"p": ProjectSettings()}, [manager(waiting=5)]
    pool.crashed("p", "exit 127: libdttools.so not found", 0.0)
    pool.crashed("p", "exit 127: libdttools.so not found", 0.1)
    made = pool.decide(m, its, [], AGENT, 1.0)
    assert not made.starts
    assert made.why_not_more["p"] == (
        "workers end right after starting (1 times in a row): exit 127: libdttools.so not found; trying again in 4 s")
    assert pool.decide(m, its, [], AGENT, 5.0).starts
    pool.crashed("p", "again", 6.0)
    assert not pool.decide(m, its, [], AGENT, 15.9).starts
    pool.worked("p")
    assert pool.decide(m, its, [], AGENT, 15.9).starts


def test_a_late_project_gets_its_share() -> None:
    """One project holds the whole cluster; another of three times its weight is given three quarters in the end."""
    cluster = Cluster({"a": ProjectSettings(), "b": ProjectSettings(weight=3)}, cores=64)
    now = cluster.settle([manager("a", 200)])
    assert cluster.of("a") == 64
    cluster.settle([manager("a", 200), manager("b", 200)], now + PACE.busy_s)
    assert (cluster.of("a"), cluster.of("b")) == (16, 48)


@pytest.mark.parametrize("cores", [math.inf, 4000.0])
def test_a_decision_costs_no_more_for_more_tasks(cores: float) -> None:
    """Twice the managers and workers take about twice the steps (with a sort, a little more); a hundred times the tasks
    take none. What that is in milliseconds, `make bench-pool` says."""
    def steps(count: int, waiting: int) -> int:
        managers = [manager(f"p{i}", waiting) for i in range(count)]
        its = {m.project: ProjectSettings(weight=1 + i % 5) for i, m in enumerate(managers)}
        workers = [PoolWorker(f"w{i}", managers[i % count].key, Resources(1, 100), 0.0) for i in range(40 * count)]
        profile = cProfile.Profile()
        profile.runcall(Pool().decide, managers, its, workers, AGENT, 100.0, cluster_cores=cores)
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    one = steps(50, 1_000)
    assert steps(100, 1_000) < 2.5 * one
    assert steps(50, 100_000) < 1.1 * one


PROJECTS = st.lists(st.tuples(
    st.integers(0, 300), st.sampled_from([1, 2, 3, 8]), st.integers(0, 3), st.integers(0, 20),
    st.sampled_from([1.0, 2.0, 5.0]), st.sampled_from([None, Resources(1, 500), Resources(4, 4000)])), min_size=1,
    max_size=5)


def cluster_of(projects: list[tuple[int, int, int, int, float, Resources | None]],
               cores: float) -> tuple[Cluster, list[ManagerStatus]]:
    its = {f"p{i}": ProjectSettings(low, low + more, weight, worker=size)
           for i, (_, _, low, more, weight, size) in enumerate(projects)}
    return Cluster(its, cores), [manager(f"p{i}", one[0], one[1], 10) for i, one in enumerate(projects)]


@settings(max_examples=examples(150), deadline=None)
@given(PROJECTS, PROJECTS, st.sampled_from([math.inf, 8.0, 37.0, 200.0]))
def test_bounds_hold_always(first: list, then: list, cores: float) -> None:  # type: ignore[type-arg]
    """Never over the maximum nor the pool's cores; never drained below the minimum, unless workers are too small for
    any task; the ramp is bounded."""
    cluster, managers = cluster_of(first, cores)
    for step in range(80):
        if step == 40:
            managers = [replace(m, tasks_waiting=then[i % len(then)][0]) for i, m in enumerate(managers)]
            cluster.idle(0.0)
        before = {p: sum(w.manager.startswith(f"{p} ") for w in cluster.workers) for p in cluster.settings}
        made = cluster.round(managers, step * 2.0)
        small = {d.worker_id for d in made.drains if "too small" in d.reason}
        assert sum(w.size.cores for w in cluster.workers) <= cores + 0.01
        for project, its in cluster.settings.items():
            count = sum(w.manager.startswith(f"{project} ") for w in cluster.workers)
            assert count <= its.max_workers
            lightest = min(one.weight for one in cluster.settings.values())
            assert count <= before[project] + max(PACE.ramp_floor * its.weight / lightest, before[project])
            assert small or count >= min(its.min_workers, before[project])
            if cores == math.inf and step == 39:
                assert count >= its.min_workers


@settings(max_examples=examples(150), deadline=None)
@given(PROJECTS, st.sampled_from([math.inf, 8.0, 37.0, 200.0]), st.booleans())
def test_stable_input_needs_no_further_decisions(projects: list, cores: float, idle: bool) -> None:  # type: ignore[type-arg]
    """After it has settled nothing is started or drained, however long it lasts."""
    cluster, managers = cluster_of(projects, cores)
    now = cluster.settle(managers, rounds=400)
    if idle:
        cluster.idle(now)
    now = cluster.settle(managers, now + 1000, rounds=400)
    for later in (1, 50, 1000):
        made = cluster.round(managers, now + later)
        assert not made.starts
        assert not made.drains


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from([1.0, 2.0, 3.0, 10.0]), st.sampled_from([1, 2, 4])),
                min_size=1, max_size=8), st.integers(0, 1000))
def test_shares_follow_weights(wishes: list, total: int) -> None:  # type: ignore[type-arg]
    """Nobody gets more than it asks for, all is given out, and who is short has its weight's part within rounding."""
    claimants = [Claimant(f"c{i}", demand * unit, weight, 0.0, unit) for i, (demand, weight, unit) in enumerate(wishes)]
    got = share(claimants, float(total))
    assert sum(got.values()) <= total + 0.01
    assert all(got[c.name] <= c.demand + 0.01 for c in claimants)
    short = [c for c in claimants if got[c.name] + c.unit <= c.demand]
    largest = max(c.unit for c in claimants)
    if short:
        assert sum(got.values()) > total - largest * len(claimants) - 0.01
    for one in short:
        for other in claimants:
            level = got[one.name] / one.weight + 2 * one.unit / one.weight
            assert got[other.name] / other.weight <= level + 2 * other.unit / other.weight + 0.01


class Agents:
    """Two agents with room for workers; a worker that fits on none waits."""

    def __init__(self, cores: float = 2, memory: float = 4000, overhead: float = 160) -> None:
        self.overhead = Resources(0, overhead, 64)
        self.raw = Resources(cores, memory, 20000)

    @property
    def largest(self) -> Resources:
        return self.raw - self.overhead

    def places(self, workers: list[PoolWorker]) -> int:
        """How many of the workers fit beside each other on one agent."""
        left, count = self.raw, 0
        for w in workers:
            if (w.size + self.overhead).fits_in(left):
                left, count = left - w.size - self.overhead, count + 1
        return count


@pytest.mark.parametrize("cores", [2, 8])
def test_parts_of_an_agent_fit_beside_each_other(cores: int) -> None:
    """One task at a time: as many workers of one core as an agent has cores, each with its own overhead."""
    agents = Agents(cores)
    workers: list[PoolWorker] = []
    for running in range(cores):
        made = Pool().decide([manager(running=running, waiting=1, memory=10)], {"p": ProjectSettings()}, workers,
                             agents.largest, 0.0, overhead=agents.overhead)
        workers += [PoolWorker(f"w{running}", start.manager.key, start.size, 0.0) for start in made.starts]
    assert [w.size.cores for w in workers] == [1] * cores
    assert agents.places(workers) == cores
    assert min(w.size.memory_mb for w in workers) > 4000 / cores - 162


def idle_worker(name: str, size: Resources, since: float = 0.0) -> PoolWorker:
    return PoolWorker(name, "p h:9123", size, since, since)


def waiting(tasks: int, largest: Resources = Resources()) -> ManagerStatus:
    return ManagerStatus("p", "h", 9123, tasks, 0, largest * tasks, largest)


def test_larger_workers_are_tried_up_to_a_whole_agent() -> None:
    """Tasks wait, none runs, the worker idles: twice the cores each time, and it is said; at last nothing fits."""
    pool, its = Pool(), {"p": ProjectSettings()}
    worker, now, sizes = Resources(1, 1000, 5000), 0.0, []
    for _ in range(3):
        held = [idle_worker(f"w{now}", worker, now)]
        early = pool.decide([waiting(1)], its, held, AGENT, now + PACE.stuck_s - 1)
        assert (early.starts, early.drains) == ((), ())
        now += PACE.stuck_s
        made = pool.decide([waiting(1)], its, held, AGENT, now)
        assert {d.reason for d in made.drains} == {"too small for the tasks that wait"}
        assert "trying workers of" in made.why_not_more["p h:9123"]
        worker = made.starts[0].size
        assert made.starts[0].count == 1
        sizes.append(worker.cores)
    assert sizes == [2, 4, 8]
    made = pool.decide([waiting(1)], its, [idle_worker("last", worker, now)], AGENT, now + PACE.stuck_s)
    assert "a worker of a whole agent" in made.why_not_more["p h:9123"]
    assert not made.starts
    assert not made.drains


def test_tasks_that_used_more_memory_than_their_worker_had() -> None:
    """They are assumed to need twice their part of that worker, up to a whole agent, and it is said; a manager without
    tasks is forgiven."""
    pool, its = Pool(), {"p": ProjectSettings()}
    pool.decide([waiting(1)], its, [], AGENT, 0.0)
    for had, needed in ((4000.0, 8000.0), (8000.0, AGENT.memory_mb), (AGENT.memory_mb, AGENT.memory_mb)):
        pool.outgrown("p h:9123", Resources(1, had, 5000))
        made = pool.decide([waiting(1)], its, [], AGENT, 1.0)
        assert [(start.size.cores, start.size.memory_mb) for start in made.starts] == [(1, needed)]
        assert f"trying {needed:.0f} MB for each task" in made.why_not_more["p h:9123"]
    pool.outgrown("p h:9123", Resources(4, 4000, 5000))  # one of up to four tasks
    pool.decide([waiting(0)], its, [], AGENT, 2.0)
    pool.outgrown("p h:9123", Resources(4, 10000, 5000))
    assert pool.decide([waiting(1)], its, [], AGENT, 3.0).starts[0].size.memory_mb == 5000


def test_a_running_task_is_no_sign_of_small_workers() -> None:
    """Nor is a worker that has just been idle, or one that has not connected."""
    its = {"p": ProjectSettings()}
    small = idle_worker("w", Resources(1, 1000, 5000))
    for status, worker in ((replace(waiting(1), tasks_running=1), small), (waiting(1), replace(small, idle_since=None)),
                           (waiting(1), replace(small, connected=False))):
        assert not [d for d in Pool().decide([status], its, [worker], AGENT, 99.0).drains if "small" in d.reason]


def test_small_workers_of_task_vine_stay_beside_larger_ones() -> None:
    """They have files: larger ones start beside them. Where no larger one has room, small ones end for it."""
    its, status = {"p": ProjectSettings()}, replace(waiting(1), worker="vine_worker")
    small = replace(idle_worker("w", Resources(1, 100, 100)), has_files=True)
    for cores, drained in ((8, []), (2, ["w"])):
        made = Pool().decide([status], its, [small], AGENT, 9.0, cluster_cores=cores)
        assert [(start.size.cores, start.count) for start in made.starts] == ([(2, 1)] if not drained else [])
        assert [d.worker_id for d in made.drains] == drained


def test_a_given_size_is_kept_and_the_reason_told() -> None:
    """The user's size is too small for the tasks: nothing else is tried."""
    its = {"p": ProjectSettings(worker=Resources(1, 100, 100))}
    made = Pool().decide([waiting(1)], its, [idle_worker("w", Resources(1, 100, 100))], AGENT, 9.0)
    assert "give a larger size" in made.why_not_more["p h:9123"]
    assert not made.starts


def test_what_cannot_be_placed_is_made_smaller() -> None:
    """No agent has room for half an agent: workers of a quarter take its place, for a while; of one core none is."""
    pool, its, status = Pool(), {"p": ProjectSettings()}, manager(waiting=4, memory=10)
    large = PoolWorker("w", status.key, Resources(4, 8000, 40000), 0.0, 0.0, connected=False, placed=False)
    assert not pool.decide([status], its, [large], AGENT, PACE.unplaced_s - 1).drains
    made = pool.decide([status], its, [large], AGENT, PACE.unplaced_s)
    assert [d.reason for d in made.drains] == ["no agent has room for it; smaller workers replace it"]
    assert [(start.size.cores, start.count) for start in made.starts] == [(2, 2)]
    one = PoolWorker("v", status.key, Resources(1, 100), 0.0, 0.0, connected=False, placed=False)
    assert not pool.decide([manager(waiting=1)], its, [one], AGENT, 99.0).drains


def test_tasks_without_a_request_get_a_worker_each() -> None:
    """Their manager would give a whole worker to each, however large it is."""
    cluster = Cluster({"p": ProjectSettings()})
    cluster.settle([waiting(6)])
    assert [w.size.cores for w in cluster.workers] == [1] * 6


def test_tasks_that_are_measured_get_a_worker_each() -> None:
    """As long as their manager gives each a whole worker, whatever it needs of it."""
    status = replace(waiting(3, Resources(0, 300, 0)), whole_workers=True)
    made = Pool().decide([status], {"p": ProjectSettings()}, [], AGENT, 1.0)
    assert [(start.size.cores, start.count) for start in made.starts] == [(1, 3)]
    made = Pool().decide([replace(status, whole_workers=False)], {"p": ProjectSettings()}, [], AGENT, 1.0)
    assert [(start.size.cores, start.count) for start in made.starts] == [(3, 1)]


def test_strangers_are_subtracted() -> None:
    """Workers that a user started by hand have their part of the need."""
    made = Pool().decide([manager(waiting=6)], {"p": ProjectSettings()}, [], AGENT, 0.0, strangers={"p h:9123": 4.0})
    assert [(start.size.cores, start.count) for start in made.starts] == [(2, 1)]


def test_a_manager_that_refuses_gets_none_and_claims_no_share() -> None:
    """The reason is its status; the other project gets all."""
    no = replace(manager("no", 100), refuses="it requires a password")
    cluster = Cluster({"no": ProjectSettings(min_workers=2), "yes": ProjectSettings()}, cores=16)
    made = cluster.round([no, manager("yes", 100)], 0.0)
    assert made.why_not_more[no.key] == "it requires a password"
    assert (cluster.of("no"), cluster.of("yes")) == (0, 16)


def test_who_has_no_worker_gets_one_sooner() -> None:
    """A busy worker ends for a manager without any after 10 s, for one that has less than its share after 30 s."""
    its, managers = {"a": ProjectSettings(), "b": ProjectSettings()}, [manager("a", 100), manager("b", 100)]
    held = [PoolWorker(f"w{i}", managers[0].key, Resources(1, 2000, 10000), 0.0) for i in range(4)]
    for others, after in (([], PACE.starved_s), ([PoolWorker("o", managers[1].key, held[0].size, 0.0)], PACE.busy_s)):
        cores = len(held) + len(others) + (1 if others else 0)
        drains = [len(Pool().decide(managers, its, [*held, *others], AGENT, now, cluster_cores=cores).drains)
                  for now in (after - 1, after)]
        assert drains == [0, 1 if others else 2]


def test_two_projects_share_one_small_agent() -> None:
    """A worker of the whole agent ends for a smaller one, so that the second project gets its share."""
    agent = Resources(2, 3840, 19936)
    cluster = Cluster({"a": ProjectSettings(), "b": ProjectSettings()}, cores=2)
    cluster.workers = [PoolWorker("w0", "a h:9123", agent, 0.0)]
    managers = [manager("a", 200, memory=10), manager("b", 200, memory=10)]
    now = PACE.busy_s
    for _ in range(4):
        made = cluster.pool.decide(managers, cluster.settings, cluster.workers, agent, now, cluster_cores=2)
        gone = {d.worker_id for d in made.drains}
        cluster.workers = [w for w in cluster.workers if w.id not in gone]
        cluster.workers += [PoolWorker(f"n{now}{i}", start.manager.key, start.size, now)
                            for start in made.starts for i in range(start.count)]
        now += 1
    assert (cluster.of("a"), cluster.of("b")) == (1, 1)
