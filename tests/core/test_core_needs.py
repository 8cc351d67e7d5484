"""What tasks are given where estimates have a say: the core in its simulated world, and the needs by themselves."""
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from mfmesos.core import actions as act
from mfmesos.core import demand
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.policy import Policy
from mfmesos.core.records import Kind, Shape
from mfmesos.estimates.estimated_needs import JUDGED_PER_ESTIMATE, LEAST_MB, EstimatedNeeds
from mfmesos.estimates.estimators import Estimates
from mfmesos.estimates.learning import JUDGED, JUDGED_SHORT, PER_CATEGORY, learn, newest
from mfmesos.estimates.tuning import Tuning
from mfmesos.shared import wire

BIG = {"a1": Resources(8.0, 8096.0, 80000.0)}


def past(category: str = "c", memory_mb: float = 100.0, count: int = 20, **more: object) -> ev.HistoryLoaded:
    """An earlier run of `count` tasks."""
    one = Attempt(
        1e9, category, "finished", measured_memory_mb=memory_mb, measured_disk_mb=5.0, measured_cores=1.0, wall_s=10.0)
    return ev.HistoryLoaded((replace(one, **more),) * count)  # type: ignore[arg-type]


def world_of(mode: str, *tasks: Task, history: ev.HistoryLoaded | None = None) -> World:
    """Tasks that run in one claim."""
    world = World(Policy(workdir="/w", estimates=mode, batch_delay_s=0.0), dict(BIG))
    if history is not None:
        world.send(history)
    world.send(*(ev.TaskSubmitted(t) for t in tasks))
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    return world


def runs(world: World) -> dict[str, wire.Run]:
    return {a: r for e in world.live() for a, r in e.running.items()}


def task(number: int, category: str = "c", **request: float) -> Task:
    return Task(number, f"cmd {number}", (), (f"o{number}",), Request(**request), category)


def test_a_known_category_is_given_its_estimate_and_held_to_it():
    """Twenty tasks used 100 MB: the next gets about that, enforced; and more of them go side by side."""
    world = world_of("fill", *(task(i, cores=0.1) for i in range(1, 41)), history=past())
    given = runs(world)
    assert len(given) == 40
    assert all(100 <= r.memory_mb <= 130 and r.limit_memory_mb == r.memory_mb for r in given.values())
    assert all(r.disk_mb == r.limit_disk_mb == LEAST_MB for r in given.values())


def test_nothing_known_is_no_limit():
    """The first of a category get the default, and are free to use more of the claim."""
    run = runs(world_of("fill", task(1)))["1.1"]
    assert run.memory_mb > 100
    assert run.limit_memory_mb is None
    assert run.limit_disk_mb is None


def test_off_learns_nothing():
    """--estimates off: defaults, and what was requested."""
    given = runs(world_of("off", task(1), task(2, memory_mb=300.0), history=past()))
    assert given["1.1"].limit_memory_mb is None
    assert given["1.1"].memory_mb >= 500
    assert given["2.1"].limit_memory_mb == 300.0


def test_declared_is_given_unless_it_is_overridden():
    """fill gives what was declared, to the byte; override what is needed."""
    history = past(requested_memory_mb=1000.0)
    assert runs(world_of("fill", task(1, memory_mb=1000.0), history=history))["1.1"].memory_mb == 1000.0
    run = runs(world_of("override", task(1, memory_mb=1000.0), history=history))["1.1"]
    assert 100 <= run.limit_memory_mb < 200
    assert runs(world_of("override", task(1, memory_mb=1000.0)))["1.1"].memory_mb == 1000.0


def test_only_an_estimate_may_be_exceeded():
    """Up to the claim's whole memory, which is twice as much at least, or what was declared where that is overridden; a
    declared limit not at all."""
    (estimated,) = runs(world_of("fill", task(1), history=past())).values()
    assert estimated.limit_memory_mb < 200
    assert estimated.most_memory_mb >= 2 * estimated.limit_memory_mb
    assert estimated.most_disk_mb >= 2 * estimated.limit_disk_mb
    (declared,) = runs(world_of("fill", task(1, memory_mb=50.0), history=past())).values()
    assert (declared.limit_memory_mb, declared.most_memory_mb) == (50.0, None)
    (overridden,) = runs(world_of("override", task(1, memory_mb=900.0), history=past())).values()
    assert overridden.limit_memory_mb < 200
    assert 2 * overridden.limit_memory_mb <= overridden.most_memory_mb <= 900.0
    (declared,) = runs(world_of("override", task(1, memory_mb=120.0), history=past())).values()
    assert declared.most_memory_mb == 120.0
    (unknown,) = runs(world_of("fill", task(1))).values()
    assert (unknown.limit_memory_mb, unknown.most_memory_mb) == (None, None)


def test_what_exceeded_its_declared_amount_is_not_tried_again():
    """Overridden, it was allowed to use more than its estimate, and used more than the user declared."""
    world = world_of("override", task(1, memory_mb=900.0), history=past())
    (executor,) = world.live()
    world.finish(executor, "1.1", wire.EXHAUSTED, resource="memory", reason="memory: too much",
                 usage=wire.Usage(memory_mb=950, wall_s=5))
    world.sync(executor)
    assert world.reports[1].attempts == 1
    assert not world.reports[1].finished


def test_only_what_was_exhausted_grows():
    """Over its estimate: again with more memory, the same disk; the task's own retries are not used up."""
    world = world_of("fill", task(1), history=past())
    (executor,) = world.live()
    first = executor.running["1.1"]
    world.finish(executor, "1.1", wire.EXHAUSTED, resource="memory", reason="memory: too much",
                 usage=wire.Usage(memory_mb=first.memory_mb + 1, wall_s=5))
    world.sync(executor)
    world.pass_time(1)
    world.sync(executor)
    again = runs(world).get("1.2")
    if again is None:
        world.offer()
        for each in world.live():
            world.sync(each)
        again = runs(world)["1.2"]
    assert again.memory_mb > first.memory_mb
    assert again.limit_memory_mb == again.memory_mb
    assert again.disk_mb == first.disk_mb
    (attempt,) = [a.attempt for a in world.actions if isinstance(a, act.RecordAttempt)]
    assert attempt.outcome == "exhausted:memory"
    assert attempt.allocated_memory_mb == first.memory_mb


def test_an_override_that_was_too_low_goes_back_to_what_was_declared():
    """What the user declared is what the second attempt gets, not the end of the task."""
    world = world_of("override", task(1, memory_mb=1000.0), history=past(requested_memory_mb=1000.0))
    (executor,) = world.live()
    world.finish(executor, "1.1", wire.EXHAUSTED, resource="memory", reason="memory: too much",
                 usage=wire.Usage(memory_mb=200, wall_s=5))
    world.sync(executor)
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert world.reports[1].finished
    assert world.reports[1].allocation.memory_mb == 1000.0


def test_an_estimate_never_makes_a_task_unsatisfiable():
    """The history is of larger machines: the task gets the largest agent there is, and runs."""
    world = world_of("fill", task(1), history=past(memory_mb=64000.0, measured_cores=64.0))
    run = runs(world)["1.1"]
    assert run.memory_mb == 8000.0
    assert run.cores == 8.0


def test_cores_are_what_such_tasks_use():
    """Four threads get four cores; a task that sleeps a quarter, never less; one of one thread one."""
    for used, expected in ((3.97, 4.0), (0.01, 0.25), (1.06, 1.0), (0.55, 0.5)):
        assert runs(world_of("fill", task(1), history=past(measured_cores=used)))["1.1"].cores == expected


def test_the_input_size_counts():
    """Memory grew with the input: a task of a larger input gets more."""
    attempts = tuple(
        Attempt(1e9 + i, "c", "finished", input_mb=float(size), measured_memory_mb=50.0 + 3 * size, wall_s=10.0)
        for i, size in enumerate([10, 40, 70, 100, 130, 160, 190, 220] * 4))
    world = World(Policy(workdir="/w", batch_delay_s=0.0), dict(BIG))
    world.send(ev.HistoryLoaded(attempts))
    for number, size in ((1, 20), (2, 200)):
        world.send(ev.TaskSubmitted(task(number), (StagedInput("i", "d", size * 2**20, 0o644),)))
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    small, large = runs(world)["1.1"], runs(world)["2.1"]
    assert 110 <= small.memory_mb < 200
    assert 650 <= large.memory_mb < 900


def test_disk_holds_the_inputs_at_least():
    """Tasks before had small inputs; one with a gigabyte of them is not ended for that."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0), dict(BIG))
    world.send(past(input_mb=1.0))
    world.send(ev.TaskSubmitted(task(1), (StagedInput("i", "d", 2**30, 0o644),)))
    world.register()
    world.offer()
    for executor in world.live():
        world.sync(executor)
    assert runs(world)["1.1"].limit_disk_mb >= 1024 + LEAST_MB


def test_each_attempt_that_ended_is_recorded():
    """What history needs to know: category, size of the input, what was given and what was used."""
    world = world_of("fill", task(1))
    (executor,) = world.live()
    world.finish(executor, "1.1", usage=wire.Usage(memory_mb=70, disk_mb=3, cores=0.9, cpu_s=9, wall_s=10))
    world.sync(executor)
    (attempt,) = [a.attempt for a in world.actions if isinstance(a, act.RecordAttempt)]
    assert (attempt.category, attempt.outcome, attempt.host) == ("c", "finished", "a1")
    assert (attempt.measured_memory_mb, attempt.measured_disk_mb, attempt.wall_s, attempt.cpu_s) == (70, 3, 10, 9)
    assert attempt.allocated_memory_mb
    assert attempt.signature
    assert attempt.input_mb == 0.0


def needs(mode: str = "fill") -> EstimatedNeeds:
    return EstimatedNeeds(mode, Estimates())


def shape_of(kind: Kind) -> Shape:
    return Shape(None, None, None, 0.0, 0.0, 0.0, False, kind=kind)


@pytest.mark.parametrize(("waited", "used", "kept"), [(5.0, 0.4, None), (5.0, 1.5, 1.5), (0.5, 0.4, 0.4)])
def test_a_measurement_beside_others_never_lowers_the_cores(waited, used, kept):
    """Where others computed, fewer cores than a task was given are not recorded; more of them are."""
    world = world_of("fill", task(1))
    (executor,) = world.live()
    usage = wire.Usage(memory_mb=70, disk_mb=3, cores=used, cpu_s=4, wall_s=10, wait_s=waited)
    world.finish(executor, "1.1", usage=usage)
    world.sync(executor)
    (recorded,) = (a.attempt for a in world.actions if isinstance(a, act.RecordAttempt))
    assert recorded.measured_cores == kept


def test_history_is_learned_when_its_category_comes_and_only_the_newest_of_it():
    """A history of many categories costs nothing but for those that the workflow has."""
    known = needs()
    old = past(memory_mb=5000.0, count=50).attempts
    known.remember((*old, *past(memory_mb=100.0, count=PER_CATEGORY).attempts))
    kind = Kind("c", "", 0.0)
    assert known.of(shape_of(kind), 0.0).memory_mb is None
    known.expect("c")
    assert 100 <= known.of(shape_of(kind), 0.0).memory_mb <= 130


@pytest.mark.parametrize(("wall_s", "judged"), [(10.0, JUDGED), (0.1, JUDGED_SHORT)])
def test_old_history_is_remembered_but_judges_nothing(wall_s, judged):
    """The largest peak of 200 attempts ago still counts as seen; the candidates are judged by the last 100 alone, of
    short ones by the last 30."""
    known = Estimates()
    attempts = (*past(memory_mb=5000.0, count=1).attempts, *past(memory_mb=100.0, count=200, wall_s=wall_s).attempts)
    for attempt, judge in newest(attempts):
        learn(known, attempt, judge=judge)
    category = known.memory._categories["c"]
    assert category.history.largest == 5000
    assert category.history.samples == 201
    fade = Tuning().fade
    assert category.scores.count == pytest.approx((1 - fade**judged) / (1 - fade))


def test_many_short_attempts_are_not_all_learned():
    """After the first fifty of a category of milliseconds, one in twenty: its estimates are settled."""
    class Counted(Estimates):
        count = 0

        def observe(self, *args: object, **more: object) -> None:
            self.count += 1

    counted = Counted()
    known = EstimatedNeeds("fill", counted)
    for attempt in past(count=1100, wall_s=0.01).attempts:
        known.learn(attempt)
    assert 95 <= counted.count <= 110


def test_attempts_that_no_estimate_is_asked_for_between_do_not_all_judge():
    """The first fifty after each estimate do: it is renewed once a second, and never where all is requested."""
    class Counted(Estimates):
        judged = 0

        def observe(self, *args: object, judge: bool = True, **more: object) -> None:
            self.judged += judge

    counted = Counted()
    known, open_kind = EstimatedNeeds("fill", counted), shape_of(Kind("c", "", 0.0))
    requested = open_kind._replace(memory_mb=100.0, disk_mb=10.0)
    for number, attempt in enumerate(past(count=300).attempts):
        if number == 200:
            known.of(open_kind, 0.0)
        known.of(requested, 0.0)
        known.learn(attempt)
    assert counted.judged == 2 * JUDGED_PER_ESTIMATE


def test_needs_are_renewed_at_once_while_little_is_known_later_by_the_second():
    """After many samples waiting tasks keep their need for a second, whatever was learned; a limit that was exceeded
    counts at once.
    """
    world = World(Policy(workdir="/w", batch_delay_s=0.0), dict(BIG))
    world.send(past(count=30), ev.TaskSubmitted(task(1)), ev.TaskSubmitted(task(2)))
    state = world.core.state
    shape = next(iter(state.needed))

    def learn(history: ev.HistoryLoaded) -> float | None:
        for attempt in history.attempts:
            state.needs.learn(attempt)
            demand.learned(state, attempt)
        demand.refresh(state)
        return state.needed[shape].memory_mb

    before = learn(past(memory_mb=300.0, count=1))
    assert learn(past(memory_mb=300.0, count=3)) == before
    state.now += 1.0
    demand.refresh(state)
    assert state.needed[shape].memory_mb > before
    last = state.needed[shape]
    learn(past(outcome="exhausted:memory", allocated_memory_mb=900.0, measured_memory_mb=950.0, count=1))
    assert state.needed[shape] is not last


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_rough_kind_is_within_a_twentieth(one: float, other: float):
    """Inputs of about the same size are of one kind, and the kind's size is about theirs."""
    rough = Kind("c", "", one).rough()
    assert rough.input_mb == pytest.approx(one, rel=0.03, abs=0.01)
    assert rough.rough() == rough or rough.rough().input_mb == pytest.approx(rough.input_mb)
    if other >= one:
        assert Kind("c", "", other).rough().input_mb >= rough.input_mb
