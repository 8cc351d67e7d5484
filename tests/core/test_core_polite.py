"""A run gives back what is more than its share while other frameworks wait, and takes it again when they do not."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import FakeExecutor, World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.cluster_state import REVIVE_AT_LEAST_S
from mfmesos.core.model import Resources, Rival, RoleUse
from mfmesos.core.policy import Policy
from mfmesos.core.snapshot import snapshot
from mfmesos.core.states import ClaimState
from mfmesos.core.waiting import Binding, why_waiting
from mfmesos.shared.slices import of_slice

WHOLE = Resources(8, 8192, 20000)


def busy(tasks=40, agents=1, cores=1.0, synced=True):
    """A run that holds the whole cluster of eight cores, with more tasks than it can start; `synced`: its executors
    have started.
    """
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {
        f"a{n}": Resources(8 / agents, 8192 / agents, 20000 / agents) for n in range(agents)})
    world.register()
    world.submit(*range(1, tasks + 1), cores=cores, memory_mb=64, disk_mb=5)
    world.offer()
    for executor in world.live() if synced else ():
        world.sync(executor)
    return world


def use(world, *rivals, beside=0.0, **more):
    """The master shows these rivals, all in the run's role, which together hold that many cores."""
    own = sum((e.claim.resources - e.given() for e in world.live()), Resources())
    world.send(ev.UseListed(WHOLE, (RoleUse("*", 1.0, own + Resources(beside), True), *more.get("roles", ())), rivals))


def other(accepted=0, declined=0, *, name="f-2", asks=True, is_busy=False, modest=True, role="*"):
    return Rival(name, role, asks, is_busy, accepted, declined, modest)


def end_one(world: World, executor: FakeExecutor):
    world.finish(executor, next(iter(executor.running)))
    world.sync(executor)
    world.sync(executor)


def held(world):
    """Cores that Mesos counts as the run's."""
    return sum(used.cores for used in world.first.used.values())


def test_nobody_waits():
    """Alone, or beside frameworks that suppress: whatever ends is followed by the next task."""
    world = busy()
    (executor,) = world.live()
    for rivals in ((), (other(asks=False), other(5, 3, name="f-3", asks=False, is_busy=True))):
        use(world, *rivals)
        for _ in range(4):
            end_one(world, executor)
    assert held(world) == 8
    assert len(executor.running) == 8


def test_gives_back_what_ends_next_down_to_its_share():
    """Another run waits: the room of each task that ends is given back, until both may have half; no task is killed."""
    world = busy()
    (executor,) = world.live()
    use(world, other())
    assert held(world) == 8  # nothing has ended yet
    for left in (7, 6, 5, 4):
        end_one(world, executor)
        assert held(world) == left
    for _ in range(8):
        end_one(world, executor)
    assert held(world) == 4
    assert len(executor.running) == 4
    assert not world.reports or all(r.finished for r in world.reports.values())


def test_gives_back_slices_of_a_claim_whose_executor_starts():
    """Another run waits: half of the claim is free before its executor runs. That one learns of it with the first
    answer, gets no more tasks than there is room for, and the claim is whole to the core from then on."""
    world = busy(synced=False)
    (executor,) = world.live()
    world.first.suppressed = False
    use(world, other())
    assert held(world) == 4
    assert [of_slice(a.claim_id) for a in world.actions if isinstance(a, act.KillClaim)] == [
        (executor.claim.claim_id, number) for number in (1, 2, 3, 4)]
    assert any(isinstance(a, act.Revive) for a in world.actions)  # offered to the other at once
    world.sync(executor)
    world.sync(executor)
    assert sorted(executor.slices) == [5, 6, 7]
    assert len(executor.running) == 4
    assert not world.core.state.claims[executor.claim.claim_id].leaving


def test_a_stranger_gets_nothing_of_a_claim_whose_executor_starts():
    """It may not want it, and the run would have to start another executor there."""
    world = busy(synced=False)
    use(world, other(modest=False))
    assert held(world) == 8


def test_a_slice_that_is_killed_and_a_restart():
    """The next scheduler knows of the smaller claim, and its executor of the larger one: it gives the rest back."""
    world = busy(synced=False)
    (executor,) = world.live()
    use(world, other())
    world.restart()
    assert held(world) == 4
    world.sync(executor)
    world.sync(executor)
    assert sorted(executor.slices) == [5, 6, 7]
    assert world.core.state.claims[executor.claim.claim_id].resources.cores == 4
    assert len(executor.running) == 4


def test_no_more_is_given_than_others_have_taken_and_want():
    """What another framework holds already, and what is free, is not asked of the run a second time."""
    world = busy()
    (executor,) = world.live()
    use(world, other())
    for _ in range(4):
        end_one(world, executor)
    use(world, other(2, is_busy=True), beside=4)
    for _ in range(8):
        end_one(world, executor)
    assert held(world) == 4


def test_takes_again_what_others_leave():
    """When nobody asks any more, the run opens a claim on what it is offered."""
    world = busy()
    (executor,) = world.live()
    use(world, other())
    for _ in range(4):
        end_one(world, executor)
    use(world)
    world.offer()
    assert held(world) == 8


def test_a_claim_on_offers_is_no_larger_than_the_share():
    """While others wait, the run takes of an offer only what its share allows."""
    world = busy(agents=2)
    use(world, other())
    for executor in world.live():
        for _ in range(2):
            end_one(world, executor)
    assert held(world) == 4
    world.first.agents["a9"], world.first.used["a9"] = Resources(8, 8192, 20000), Resources()
    world.offer()
    assert held(world) <= 4 + len(world.first.agents)


def test_a_stranger_is_tried_with_one_slice():
    """A framework that is not known to suppress gets one slice to begin with; when it has taken that, its share."""
    world = busy()
    (executor,) = world.live()
    use(world, other(modest=False))
    for _ in range(4):
        end_one(world, executor)
    assert held(world) == 7
    use(world, other(1, modest=False, is_busy=True), beside=1)
    for _ in range(4):
        end_one(world, executor)
    assert held(world) == 4


def test_what_is_not_wanted_is_offered_less_and_less_often():
    """A framework that asks and takes nothing any more: one core at first, then after 5, 10, 20, 40 seconds; the run
    has it back a second later."""
    world = busy(2000)
    given = []
    for second in range(100):
        use(world, other(1, declined=second, modest=False))
        for executor in world.live():
            if executor.running:
                end_one(world, executor)
        assert held(world) >= 7
        if held(world) < 8:
            given.append(second)
        world.pass_time(1.0)
        world.offer()
        for executor in world.live():
            world.sync(executor)
    assert held(world) == 8
    pauses = [later - earlier for earlier, later in zip(given, given[1:])]
    assert [any(least <= pause <= least + 5 for least in (5, 10, 20, 40)) for pause in pauses] == [True] * len(pauses)
    assert pauses == sorted(pauses)
    assert len(pauses) in (3, 4), given


def test_who_always_declined_is_tried_late():
    """A framework that has declined all that it was ever offered counts as tried in vain: not before 40 s."""
    world = busy()
    (executor,) = world.live()
    for _ in range(10):
        use(world, other(0, 6, modest=False))
        end_one(world, executor)
        world.pass_time(3.0)
    assert held(world) == 8
    world.pass_time(15.0)
    use(world, other(0, 20, modest=False))
    end_one(world, executor)
    assert held(world) == 7


@pytest.mark.parametrize("takes", [False, True])
def test_a_newcomer_that_declined_what_the_run_left_over(takes):
    """It may want cores, which it was not offered yet, and is tried with one. If it declines that as well, it is not
    tried again before 40 s; if it takes it, it gets its share."""
    world = busy()
    (executor,) = world.live()
    use(world)
    use(world, other(0, 2, modest=False))
    end_one(world, executor)
    assert held(world) == 7
    world.pass_time(3.0)
    for _ in range(4):
        use(world, other(2 * takes, 4, modest=False, is_busy=takes), beside=takes * (8 - held(world)))
        end_one(world, executor)
        world.pass_time(3.0)
    assert (held(world) < 6) is takes
    assert takes or held(world) == 7


def after_its_turn(taken: int):
    """Twenty runs on eight cores. The run has had one core for four seconds when its task ends, others have `taken` of
    those that it had given before; also returns the others.
    """
    world = busy()
    (executor,) = world.live()
    rivals = [other(name=f"f-{n}") for n in range(19)]
    use(world, *rivals)
    for _ in range(7):
        end_one(world, executor)
    assert held(world) == 1
    world.pass_time(4.0)
    rivals[:taken] = [other(1, name=f"f-{n}", is_busy=True) for n in range(taken)]
    use(world, *rivals, beside=taken)
    end_one(world, executor)
    return world, rivals


@pytest.mark.parametrize("taken", [7, 6])
def test_the_last_claim_is_given_back_in_turns(taken):
    """Twenty runs on eight cores: who has one core gives it back after some seconds, once its task has ended, also
    while one core is free: more than one wait for it."""
    world, _ = after_its_turn(taken)
    assert held(world) == 0
    assert not world.live()
    assert len(world.core.state.queue) == 32


def test_the_room_of_its_turn_is_offered_at_once():
    """The run revives for the others when Mesos has its last claim back, and suppresses again; that delays no revive
    for itself."""
    world, _ = after_its_turn(7)
    asked = [type(a) for a in world.actions if isinstance(a, (act.Revive, act.Suppress))]
    assert asked[-2:] == [act.Revive, act.Suppress]
    assert world.core.state.clusters[""].revive_pause == 2 * REVIVE_AT_LEAST_S  # after the first, for its tasks


def test_rests_after_its_turn():
    """Whoever has had a turn wants no offers until the others have had theirs: it suppresses at once, and asks again
    after (20 / 8) turns and handovers. An offer that was under way is declined."""
    world, rivals = after_its_turn(7)
    assert world.first.suppressed
    for second in range(9):
        rivals[0] = other(2 + second, name="f-0", is_busy=True)  # something is taken all the time
        use(world, *rivals)
        world.offer()
        assert world.first.suppressed
        assert held(world) == 0
        world.pass_time(1.0)
    world.pass_time(1.0)
    assert not world.first.suppressed
    use(world, *rivals)
    world.offer()
    assert held(world) == 1


def waits_with_nothing(*rivals):
    """A run on two agents of four cores that others hold; it has asked who they are."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {
        name: Resources(4, 4096, 10000) for name in ("a1", "a2")})
    world.first.used.update(world.first.agents)
    world.register()
    world.submit(*range(1, 41), cores=1, memory_mb=64, disk_mb=5)
    assert sum(isinstance(a, act.ListUse) for a in world.actions) == 1
    use(world, *rivals, beside=8.0)
    return world


def free(world, agent, cores):
    """Somebody else's tasks have ended."""
    world.first.used[agent] = world.first.agents[agent] - Resources(cores, 4096, 10000)
    world.offer()


def test_who_has_waited_takes_room_for_one_task():
    """Three cores come free where twenty runs wait: the run takes one, and has the master offer the others at once to
    those that hold nothing; it leaves them what comes next, until the master has shown who waits now."""
    rivals = [other(name=f"f-{n}") for n in range(19)]
    world = waits_with_nothing(*rivals)
    world.pass_time(3.0)
    revived = sum(isinstance(a, act.Revive) for a in world.actions)
    free(world, "a1", 3)
    assert sum(executor.claim.resources.cores for executor in world.live()) == 1
    assert sum(isinstance(a, act.Revive) for a in world.actions) == revived + 1
    world.offer()
    free(world, "a2", 4)
    assert len(world.live()) == 1


def test_who_has_waited_takes_all_if_nobody_else_does():
    """Once the master shows that the others want nothing any more."""
    world = waits_with_nothing(other(name="f-2"))
    world.pass_time(3.0)
    free(world, "a1", 4)
    free(world, "a2", 4)
    assert sum(executor.claim.resources.cores for executor in world.live()) == 1
    use(world, other(1, name="f-2", asks=False, is_busy=True))
    world.pass_time(1.5)
    world.offer()
    assert sum(executor.claim.resources.cores for executor in world.live()) == 8


def test_who_is_alone_takes_all():
    """However long it has waited, for example for agents to come back."""
    world = waits_with_nothing()
    world.pass_time(10.0)
    free(world, "a1", 4)
    free(world, "a2", 4)
    assert sum(executor.claim.resources.cores for executor in world.live()) == 8


def test_says_that_it_rests():
    """`mfmesos why` and `mfmesos status`: until when, and nothing of it once the others have ended."""
    world, rivals = after_its_turn(7)
    task = next(iter(world.core.state.queue)).task.id
    waiting, seen = why_waiting(world.core.state, task), snapshot(world.core.state)
    assert waiting.binding is Binding.RESTS
    assert seen.rests_s == pytest.approx(waiting.until - world.core.state.now)
    assert 1.0 < seen.rests_s < 15.0
    use(world, *rivals[:5])
    assert why_waiting(world.core.state, task).binding is not Binding.RESTS
    assert snapshot(world.core.state).rests_s == 0.0


def test_rests_no_longer_than_others_wait():
    """Nobody is empty-handed any more: the run asks for offers at once."""
    world, rivals = after_its_turn(7)
    world.pass_time(1.0)
    use(world, *rivals[:5])
    world.pass_time(0.5)
    assert not world.first.suppressed
    world.offer()
    assert held(world) > 0


def test_asks_who_waits_while_it_rests():
    """It holds nothing then, and yet has to learn that the others have ended."""
    world, _ = after_its_turn(7)
    asked = sum(isinstance(a, act.ListUse) for a in world.actions)
    world.pass_time(2.5)
    assert sum(isinstance(a, act.ListUse) for a in world.actions) == asked + 1


def test_what_is_of_no_use_is_not_asked_for_again():
    """Memory without cores is declined for long, and no REVIVE follows for its sake: to the master each offer of it
    counts as one more for the run, and others come first."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {"a1": Resources(8, 8192, 20000)})
    world.first.used["a1"] = Resources(8, 512)
    world.register()
    world.submit(1, cores=1, memory_mb=64, disk_mb=5)
    world.offer()
    assert [a.refuse_s for a in world.actions if isinstance(a, act.DeclineOffers)] == [600.0]
    for _ in range(30):
        world.pass_time(1.0)
    assert sum(isinstance(a, act.Revive) for a in world.actions) == 1  # for the task


def test_other_roles_by_weight():
    """Mesos divides by role first: a role of three times the weight gets three quarters."""
    world = busy()
    (executor,) = world.live()
    use(world, other(role="prod"), roles=(RoleUse("prod", 3.0, Resources()),))
    for _ in range(8):
        end_one(world, executor)
    assert held(world) == 2


def test_nothing_is_shown():
    """The master shows nothing: one slice is given back to see whether the run is offered it again."""
    world = busy(200)
    world.list_agents()
    world.pass_time(1.0)
    (executor,) = world.live()
    blind = ev.UseListed(Resources(), (), None)
    world.send(blind)
    end_one(world, executor)
    assert held(world) == 7
    world.pass_time(3.0)
    world.send(blind)  # nobody offers it: somebody took it
    for _ in range(6):
        end_one(world, executor)
    assert held(world) == 4


def test_attempts_of_milliseconds():
    """Attempts that are queued ahead leave no free room: the executor gives the slice back when they have ended."""
    world = busy(200)
    world.ahead = True
    (executor,) = world.live()
    for _ in range(6):
        end_one(world, executor)
    use(world, other())
    for attempt in list(executor.running):
        world.finish(executor, attempt)
    world.sync(executor)
    world.sync(executor)
    assert held(world) == 4


def test_a_lost_answer_and_a_restart():
    """A slice that the executor still reports is asked for again, by the next scheduler as well."""
    world = busy()
    (executor,) = world.live()
    use(world, other())
    world.finish(executor, next(iter(executor.running)))
    world.sync(executor, lose_answer=True)
    world.restart()
    assert held(world) == 8
    world.sync(executor)
    world.sync(executor)
    assert held(world) == 7
    assert world.core.state.claims[executor.claim.claim_id].resources.cores == 7


def test_the_master_is_asked_while_claims_are_held():
    """Not before there is a claim, every two seconds then, and later when the master is slow."""
    world = World()
    world.register()
    asked = lambda: sum(isinstance(a, act.ListUse) for a in world.actions)  # noqa: E731
    world.pass_time(5.0)
    assert asked() == 0
    world.submit(1)
    world.offer()
    world.pass_time(1.0)
    assert asked() == 1
    world.pass_time(10.0)
    assert asked() == 1
    use(world)
    world.pass_time(5.0)
    assert asked() == 1
    world.pass_time(6.0)
    assert asked() == 2


@pytest.mark.parametrize(("cores", "parts"), [(1, []), (2, [1]), (4, [1, 1, 1]), (8, [1] * 7)])
def test_how_claims_are_cut(cores, parts):
    """All of a claim but room for one task can be given back; its slices are Mesos tasks of their own."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {"a1": Resources(cores, 8192, 20000)})
    world.register()
    world.submit(*range(1, 100), cores=1, memory_mb=64, disk_mb=5)
    world.offer()
    (executor,) = world.live()
    assert [part.cores for part in executor.claim.slices] == parts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8), st.booleans(), st.booleans()), max_size=40),
       st.integers(1, 3))
def test_never_below_the_share_and_always_to_the_end(steps, agents):
    """Whatever others do: the run keeps its share, less at most one task, while it has tasks and no turn is due; every
    task is reported once; when the others are gone, all ends well."""
    world = busy(60, agents)
    for number, taken, is_busy, modest in steps:
        rivals = [other(taken, 8 - taken, name=f"f-{n}", is_busy=is_busy, modest=modest) for n in range(number)]
        use(world, *rivals, beside=min(taken, 8 - held(world)))
        before = held(world)
        for executor in world.live():
            if executor.running:
                end_one(world, executor)
        if world.core.state.queue and not any(
                c.state is not ClaimState.OPEN for c in world.core.state.claims):
            assert held(world) >= min(before, 8 / (number + 1)) - 1
        world.pass_time(1.0)
        if not number:
            world.offer()
    use(world)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert len(world.reports) == 60
    assert all(report.finished for report in world.reports.values())
