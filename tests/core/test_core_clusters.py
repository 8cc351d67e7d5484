"""Several clusters in one run: whatever belongs to one master is that master's alone."""
from __future__ import annotations

import pytest
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Resources
from mfmesos.core.policy import Policy
from mfmesos.core.states import ClaimState
from mfmesos.shared import wire

SMALL = Resources(2, 2048, 9000)
POLICY = Policy(workdir="/w", batch_delay_s=0.0, nonce="n")


def two(policy: Policy = POLICY, **agents: Resources) -> World:
    """Clusters east and west, each with an agent of the same id."""
    world = World(policy, clusters={name: {"a1": agents.get(name, SMALL)} for name in ("east", "west")})
    world.register()
    return world


def running(world: World) -> dict[str, int]:
    """How many attempts run, by cluster."""
    return {name: sum(len(e.running) for e in world.live() if e.claim.cluster == name) for name in world.masters}


def of(world: World, cluster: str, kind: type) -> list[act.Action]:
    return [a for a in world.actions if isinstance(a, kind) and a.cluster == cluster]  # type: ignore[attr-defined]


def start(world: World, *ids: int, **request: float) -> None:
    world.submit(*ids, **request)
    world.offer()
    for _ in range(2):
        for executor in world.live():
            world.sync(executor)


def test_tasks_run_in_both_clusters():
    """Four tasks, two cores in each cluster: two run in each, in agents that have the same id."""
    world = two()
    start(world, 1, 2, 3, 4, cores=1)
    assert running(world) == {"east": 2, "west": 2}
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_the_first_cluster_is_used_first():
    """One task that fits in either runs in the first."""
    world = two()
    start(world, 1, cores=1)
    assert running(world) == {"east": 1, "west": 0}


def test_a_task_that_fits_in_one_cluster_runs_there():
    """A task of four cores, which only the second cluster has, is not failed as too large for the first."""
    world = two(west=Resources(4, 4096, 20000))
    start(world, 1, cores=4)
    assert running(world) == {"east": 0, "west": 1}


def test_a_task_that_fits_nowhere_fails_after_both_masters_have_listed_their_agents():
    """One master's list is not enough: the other may know a larger agent."""
    world = two()
    world.masters["west"].lists = False
    world.submit(1, cores=64)
    for _ in range(30):
        world.pass_time(1.0)
    assert not world.reports
    world.masters["west"].lists = True
    for _ in range(60):
        world.pass_time(1.0)
    assert "64 cores" in world.reports[1].reason


def test_the_end_of_a_framework_ends_its_cluster_and_not_the_run():
    """Its tasks run in the other cluster, uncharged even without retries; the user learns why."""
    world = two(Policy(workdir="/w", batch_delay_s=0.0, cluster_retries=0, nonce="n"))
    start(world, 1, 2, 3, 4, cores=1)
    world.end_framework("east")
    assert world.over is None
    assert "cluster east is used no longer" in world.notes[-1].text
    assert running(world) == {"east": 0, "west": 2}
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert [world.reports[i].finished for i in (1, 2, 3, 4)] == [True] * 4
    assert world.over == act.Over(None)


def test_the_end_of_the_last_framework_ends_the_run():
    """With its reason; the tasks are withdrawn, as with one cluster."""
    world = two()
    start(world, 1, 2, 3, 4, cores=1)
    world.end_framework("east")
    world.end_framework("west")
    assert world.over == act.Over("framework has been removed")
    assert all(r.withdrawn for r in world.reports.values())


def test_a_cluster_in_which_no_executor_starts_is_left():
    """Its offers are declined and no more are asked for, its claims are killed, and the run goes on in the other."""
    world = two(Policy(workdir="/w", batch_delay_s=0.0, launch_failures=3, avoid_s=0.0, nonce="n"),
                west=Resources(1, 1024, 9000))
    world.submit(*range(1, 7), cores=1)
    for _ in range(40):
        world.offer()
        for executor in world.live():
            if executor.claim.cluster == "east":
                world.end(executor, "TASK_FAILED", message="no such file")
            else:
                world.sync(executor)
        world.pass_time(2.0)
    assert any("cluster east is used no longer: no executor could be started" in note.text for note in world.notes)
    assert world.masters["east"].suppressed
    assert not world.masters["east"].offers
    opened = len(of(world, "east", act.OpenClaim))
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert len(of(world, "east", act.OpenClaim)) == opened
    assert all(r.finished for r in world.reports.values())


def test_a_sync_in_one_cluster_says_nothing_of_launches_in_the_other():
    """Failed launches in a row are counted for each cluster."""
    world = two()
    start(world, 1, 2, 3, 4, cores=1)
    east, west = world.core.state.clusters["east"], world.core.state.clusters["west"]
    east.launch_failures = west.launch_failures = 5
    for executor in world.live():
        if executor.claim.cluster == "west":
            world.sync(executor)
    assert (east.launch_failures, west.launch_failures) == (5, 0)


def test_each_master_is_asked_about_its_own_claims():
    """After a reconnect, and about a claim that is silent; World asserts that no master is asked about another's."""
    world = two(Policy(workdir="/w", batch_delay_s=0.0, silence_s=30.0, nonce="n"))
    start(world, 1, 2, 3, 4, cores=1)
    world.actions.clear()
    world.disconnect("east")
    world.register("east")
    named = [a.claims for a in of(world, "east", act.Reconcile)]
    assert [[len(claims)] for claims in named] == [[1], [0]]
    assert not of(world, "west", act.Reconcile)
    world.actions.clear()
    world.pass_time(31.0)
    assert {len(of(world, name, act.Reconcile)) for name in world.masters} == {1}


def test_a_disconnected_cluster_leaves_the_other_alone():
    """Its offers are void and its claims go on; offers of the other are used."""
    world = two(west=Resources(1, 2048, 9000))
    start(world, 1, 2, 3, cores=1)
    world.disconnect("east")
    assert [note.text for note in world.notes][-1].startswith("cluster east: ")
    assert world.core.state.clusters["west"].connected
    world.submit(4, cores=1)
    world.masters["west"].agents["a2"] = SMALL
    world.masters["west"].used["a2"] = Resources()
    world.offer("west")
    for _ in range(2):
        for executor in world.live():
            world.sync(executor)
    assert running(world) == {"east": 2, "west": 2}


def test_maintenance_of_an_agent_concerns_only_its_own_cluster():
    """Both have an agent a1; only the claim in the named cluster drains."""
    world = two()
    start(world, 1, 2, 3, 4, cores=1)
    world.send(ev.InverseOfferReceived("i1", "a1", 1e9, "west"))
    assert {c.agent_id.cluster: c.state for c in world.core.state.claims} == {
        "east": ClaimState.OPEN, "west": ClaimState.DRAINING}
    assert [a.cluster for a in world.actions if isinstance(a, act.AcceptInverseOffer)] == ["west"]


def test_a_task_that_failed_at_an_agent_may_run_at_the_other_of_that_name():
    """Agents are told apart by cluster and id."""
    world = two()
    world.fate = lambda executor, run: wire.BROKEN if executor.claim.cluster == "east" else wire.FINISHED
    world.submit(1, cores=2)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert world.reports[1].finished
    assert world.reports[1].attempts == 2


def test_unknown_executors_are_killed_and_updates_acknowledged_where_they_are():
    """An update of a claim that nobody knows: KILL and acknowledgement go to the master that sent it."""
    world = two()
    world.send(ev.ClaimUpdated("old-1", "TASK_RUNNING", agent_id="a1", uuid="dXVpZA==", cluster="west"))
    assert [a.cluster for a in world.actions if isinstance(a, (act.KillClaim, act.AcknowledgeUpdate))] == ["west"] * 2


def test_each_cluster_is_suppressed_and_revived():
    """When nothing waits, and when something does."""
    world = two()
    world.offer()
    assert all(m.suppressed for m in world.masters.values())
    world.submit(1, cores=1)
    assert not any(m.suppressed for m in world.masters.values())


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_a_restarted_scheduler_finds_its_claims_in_their_clusters(cluster):
    """The journal has the cluster of each claim, and of each agent where a task failed."""
    world = two()
    world.fate = lambda executor, run: wire.BROKEN
    start(world, 1, 2, 3, 4, cores=1)
    for executor in world.live():
        if executor.claim.cluster == cluster:
            world.finish(executor, next(iter(executor.running)), wire.BROKEN)
            world.sync(executor)
    world.restart()
    state = world.core.state
    assert {c.agent_id for c in state.claims} == {(name, "a1") for name in world.masters}
    assert any(record.failed_at.keys() == {(cluster, "a1")} for record in state.tasks.values())
    world.fate = lambda executor, run: wire.FINISHED
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())


def test_claims_in_a_cluster_that_is_not_used_any_more_are_forgotten():
    """A restarted scheduler that is given one cluster only: the tasks that ran in the other run again."""
    world = two()
    start(world, 1, 2, 3, 4, cores=1)
    del world.masters["west"]
    for executor in world.live():
        if executor.claim.cluster == "west":
            del world.executors[executor.claim.claim_id]
    world.restart()
    assert {c.agent_id.cluster for c in world.core.state.claims} == {"east"}
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert all(r.finished for r in world.reports.values())
    assert not world.saved_claims or {c.cluster for c in world.saved_claims.values()} == {"east"}


def test_a_shortage_is_explained_for_each_cluster():
    """Nothing runs and nothing is offered: each master is asked, and each answer has the cluster's name."""
    world = two()
    for master in world.masters.values():
        master.used["a1"] = SMALL
    world.submit(1, cores=1)
    for _ in range(8):
        world.pass_time(1.0)
    said = [note.text for note in world.notes]
    assert [sum(text.startswith(f"cluster {name}: ") for text in said) for name in world.masters] == [1, 1]
