"""Temporary outputs stay where they were made; their makers run again when the last copy is lost."""
from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import examples
from world import FakeExecutor, World, digest_of

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.states import TaskState
from mfmesos.shared import wire
from mfmesos.shared.kept_files import pin

REQUEST = Request(cores=1.0, memory_mb=100.0, disk_mb=100.0)


@dataclass
class Line:
    """A task of the file: what it reads of others, and whether its own output f{number} is temporary."""

    number: int
    reads: tuple[int, ...] = ()
    temporary: bool = True


@dataclass
class Engine:
    """Submits tasks whose makers have finished, and says when the last reader of a temporary output has ended."""

    world: World
    lines: list[Line]
    sent: set[int] = field(default_factory=set)
    freed: set[str] = field(default_factory=set)

    def step(self) -> None:
        reports = self.world.reports
        by_number = {line.number: line for line in self.lines}
        for line in self.lines:
            if line.number not in self.sent and all(n in reports and reports[n].finished for n in line.reads):
                self.sent.add(line.number)
                self.world.send(ev.TaskSubmitted(self.task(line), (), tuple(
                    f"f{n}" for n in line.reads if by_number[n].temporary)))
        for line in self.lines:
            name = f"f{line.number}"
            if line.temporary and name not in self.freed and line.number in reports and all(
                    self.ended(r) for r in self.lines if line.number in r.reads):
                self.freed.add(name)
                self.world.send(ev.TemporariesUnneeded((name,)))

    def ended(self, line: Line) -> bool:
        """It was reported, or one of its makers failed."""
        reports = self.world.reports
        return line.number in reports or any(
            (n in reports and not reports[n].finished) or (n not in reports and self.ended(one))
            for n in line.reads for one in self.lines if one.number == n and not (n in reports and reports[n].finished))

    def task(self, line: Line) -> Task:
        name = f"f{line.number}"
        return Task(line.number, f"cmd {line.number}", tuple(f"f{n}" for n in line.reads), (name,), REQUEST,
                    temporary=(name,) if line.temporary else ())

    def over(self) -> bool:
        return all(line.number in self.world.reports or self.ended(line) for line in self.lines)


def begin(lines: list[Line], agents: int = 2, cores: int = 1, **policy: object) -> tuple[World, Engine]:
    settings_: dict = {"workdir": "/w", "batch_delay_s": 0.0, "estimates": "off", "nonce": "n1", **policy}
    world = World(Policy(**settings_), {f"a{n}": Resources(cores, 4096, 20000) for n in range(1, agents + 1)})
    world.register()
    return world, Engine(world, lines)


def go(world: World, engine: Engine, steps: int = 400) -> None:
    """Until every task has ended."""
    for _ in range(steps):
        engine.step()
        if engine.over():
            return
        turn(world)
    raise AssertionError(f"not over; {[(r.task.id, r.at) for r in world.core.state.queue]}")


def turn(world: World) -> None:
    if not world.suppressed:
        world.offer()
    for executor in world.live():
        world._run_all(executor)
        if executor.alive:
            world.sync(executor)
    world.receive_all()
    world.pass_time(0.5)


def attempts(world: World) -> Counter[int]:
    """How many attempts of each task were started."""
    return Counter(a.task.id for a in world.actions if isinstance(a, act.PermitAttempt))


def asked(world: World) -> list[act.ReceiveTemporary]:
    return [a for a in world.actions if isinstance(a, act.ReceiveTemporary)]


def end_run(world: World) -> None:
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    table = world.core.state.temporaries
    assert not table.by_name
    assert not table.makers
    assert not world.here


def test_a_chain_in_one_claim_brings_nothing_in():
    """Each task is reported once, in order; what its reader has read is dropped at once."""
    world, engine = begin([Line(1), Line(2, (1,)), Line(3, (2,)), Line(4, (3,), temporary=False)], agents=1)
    go(world, engine)
    assert set(attempts(world).values()) == {1}
    assert not asked(world)
    (executor,) = world.live()
    turn(world)
    assert not executor.pins
    end_run(world)


def test_nobody_reads_it():
    """It is dropped as soon as its task is reported."""
    world, engine = begin([Line(1)], agents=1)
    go(world, engine)
    (executor,) = world.live()
    assert executor.pins
    engine.step()
    turn(world)
    assert not executor.pins
    end_run(world)


def test_a_reader_elsewhere():
    """Two temporary inputs that lie in different claims: both are brought in, and the reader starts."""
    world, engine = begin([Line(1), Line(2), Line(3, (1, 2), temporary=False)])
    go(world, engine)
    assert {a.digest for a in asked(world)} == {digest_of("f1"), digest_of("f2")}
    assert set(attempts(world).values()) == {1}
    end_run(world)


def test_a_reader_does_not_wait_for_ever_for_room():
    """The claim that has its input is busy: after a while the input is brought in, and another claim takes it."""
    world, engine = begin([Line(1), Line(2, (), False), Line(3, (1,), False), Line(4, (), False)], claim_idle_s=1000.0)
    engine.step()
    busy: set[str] = set()
    for _ in range(60):
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            for attempt in list(executor.running):
                if attempt.startswith("4."):
                    busy.add(executor.claim.claim_id)
                else:
                    world.finish(executor, attempt)
            world.sync(executor)
        engine.step()
        world.receive_all()
        world.pass_time(0.5)
    assert busy
    assert 3 in world.reports
    assert world.reports[3].claim_id not in busy


def test_a_lost_copy_is_made_again():
    """The claim with the only copy dies: its maker runs again, the user is told in one line, and nothing is reported
    twice."""
    world, engine = begin([Line(1), Line(2, (), False), Line(3, (1, 2), False)], agents=1)
    engine.step()
    while 1 not in world.reports:
        turn(world)
    (executor,) = world.live()
    world.die(executor)
    go(world, engine)
    assert attempts(world)[1] == 2
    assert [n.text for n in world.notes if "runs again" in n.text] == [
        "task 1 runs again: task 3 reads its temporary output f1, of which no copy is left"]
    end_run(world)


def test_makers_of_makers():
    """What the maker itself read was dropped: its makers run again first."""
    world, engine = begin([Line(1), Line(2, (1,)), Line(3, (2,)), Line(4, (), False), Line(5, (3, 4), False)], agents=1)
    while 3 not in world.reports:
        engine.step()
        turn(world)
    (executor,) = world.live()
    turn(world)  # what 3 has read is dropped
    world.end(executor, "TASK_LOST")
    go(world, engine)
    assert [attempts(world)[n] for n in (1, 2, 3)] == [2, 2, 2]
    end_run(world)


def test_losses_are_bounded():
    """After a few times the reader fails, with the reason and a cure."""
    world, engine = begin([Line(1), Line(2, (1,), False)], agents=1, remakes=2)
    world.fate = lambda executor, run: wire.FINISHED
    for _ in range(200):
        engine.step()
        if engine.over():
            break
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            if executor.running and any(a.startswith("2.") for a in executor.running):
                world.finish(executor, next(iter(executor.running)), wire.BROKEN)
            world._run_all(executor)
            world.sync(executor)
            if executor.alive and executor.pins and not executor.running:
                world.end(executor, "TASK_LOST")
        world.pass_time(0.5)
    assert attempts(world)[1] == 3
    assert "was lost 2 times" in world.reports[2].reason
    assert not world.reports[2].finished
    end_run(world)


def test_a_maker_that_fails_the_second_time():
    """Its readers fail with its reason; its own line stays."""
    world, engine = begin([Line(1), Line(2, (), False), Line(3, (1, 2), False)], agents=1)
    engine.step()
    while 1 not in world.reports:
        turn(world)
    (executor,) = world.live()
    world.die(executor)
    world.fate = lambda executor, run: wire.FAILED if run.attempt.startswith("1.") else wire.FINISHED
    go(world, engine)
    assert world.reports[1].finished
    assert "failed to make it again" in world.reports[3].reason


def test_a_claim_that_ends_sends_first():
    """An idle claim, and one whose worklife is over, is not released before what only it has was sent."""
    world, engine = begin([Line(1), Line(2, (), False), Line(3, (1, 2), False)], agents=1, claim_idle_s=2.0)
    engine.step()
    while 1 not in world.reports:
        turn(world)
    world.core.state.paused_until = world.now + 30.0
    for _ in range(20):
        for executor in world.live():
            world._run_all(executor)
            world.sync(executor)
        world.pass_time(0.5)
        if world.to_receive:
            assert world.live(), "released before it was sent"
            world.receive_all()
    assert asked(world)
    assert not world.live()
    go(world, engine)
    assert attempts(world)[1] == 1
    end_run(world)


def test_a_claim_that_cannot_send_is_released_in_the_end():
    """Nobody is blocked for ever by what one claim holds."""
    lines = [Line(1), Line(2, (), False), Line(3, (1, 2), False)]
    world, engine = begin(lines, agents=1, claim_idle_s=2.0, send_s=20.0)
    engine.step()
    while 1 not in world.reports:
        turn(world)
    world.core.state.paused_until = 1e9
    for _ in range(120):
        for executor in world.live():
            world._run_all(executor)
            world.sync(executor)
        world.to_receive.clear()
        world.pass_time(0.5)
    assert not world.live()
    assert asked(world)


def test_the_state_of_a_remade_task_is_waiting():
    """The move from FINISHED is in the table."""
    world, engine = begin([Line(1), Line(2, (), False), Line(3, (1, 2), False)], agents=1)
    engine.step()
    while 1 not in world.reports:
        turn(world)
    maker = world.core.state.temporaries.makers[1]
    assert maker.state is TaskState.FINISHED
    world.die(world.live()[0])
    while 3 not in engine.sent:
        engine.step()
        turn(world)
    while maker.state is TaskState.FINISHED:
        turn(world)
    assert maker.again


def finish_all_but(task: int, world: World) -> None:
    """Each executor reports that its attempts have finished, except that task's."""
    for executor in world.live():
        for attempt in [a for a in executor.running if not a.startswith(f"{task}.")]:
            world.finish(executor, attempt)
        world.sync(executor)


def test_what_a_dead_scheduler_could_not_drop():
    """Its journal had forgotten the maker, and its answer to the executor was lost: the next scheduler names what
    counts, until the executor confirms that."""
    world, engine = begin([Line(1), Line(2, (1,), False), Line(3), Line(4, (3,), False)], agents=1, claim_idle_s=1e6)
    world.offer()
    while 2 not in world.reports or 3 not in world.reports:
        engine.step()
        world.offer()
        finish_all_but(4, world)
        world.pass_time(0.5)
    engine.step()
    (executor,) = world.live()
    for _ in range(2):
        world.sync(executor)
        world.pass_time(0.5)
    counts = {pin("3.n1.1", digest_of("f3"))}
    assert executor.pins == counts
    executor.pins.add(pin("1.n1.1", digest_of("f1")))
    world.restart()
    hold_s = world.core.state.policy.hold_s + 1
    world.sync(executor)
    executor.alive = False  # for the answer
    world.pass_time(hold_s)
    executor.alive = True
    for _ in range(3):
        world.sync(executor)
        world.pass_time(hold_s)
    assert executor.pins == counts
    stated = [a.answer.pins for a in world.actions if isinstance(a, act.AnswerSync) and a.answer.pins is not None]
    assert stated == [sorted(counts)] * 2
    go(world, engine)
    assert attempts(world)[3] == 1
    end_run(world)


def test_a_reader_after_a_restart_does_not_wait_until_the_claim_is_idle():
    """The next scheduler sees the reader before the claim that has its input has synced, and the claim is busy: the
    reader starts there all the same."""
    world, engine = begin([Line(1), Line(2, (), False), Line(3, (1,), False)], agents=1, cores=2)
    engine.step()
    world.offer()
    (executor,) = world.live()
    world.sync(executor)
    world.finish(executor, "1.n1.1")
    world.sync(executor)
    assert set(world.reports) == {1}
    world.restart()
    engine.step()
    world.pass_time(0.5)
    for _ in range(2):
        world.sync(executor)
        world.pass_time(0.5)
    assert sorted(name.split(".")[0] for name in executor.running) == ["2", "3"]


def lack(world: World, executor: FakeExecutor, digest: str, attempt: str = "") -> None:
    """It has no copy, and this attempt could not start without one."""
    if attempt:
        world.finish(executor, attempt, wire.BROKEN)
    executor.seq += 1
    world.send(ev.ClaimSynced(executor.claim.claim_id, executor.seq, executor.got, tuple(executor.running),
                              tuple(executor.results.values()), lacking=(digest,)))


def test_a_copy_that_is_gone_from_the_scheduler():
    """Somebody removed it: a claim that could not fetch it says so, its maker runs again, and the reader finishes."""
    world, engine = begin([Line(1), Line(2), Line(3, (1, 2), False)])
    while not any(a.startswith("3.") for executor in world.live() for a in executor.running):
        engine.step()
        world.offer()
        finish_all_but(3, world)
        world.receive_all()
        world.pass_time(0.5)
    (executor,) = [e for e in world.live() if any(a.startswith("3.") for a in e.running)]
    (elsewhere,) = {"f1", "f2"} - {f"f{p.split('.')[0]}" for p in executor.pins}
    for other in world.live():
        if other is not executor:
            world.end(other, "TASK_FINISHED")
    world.here.discard(digest_of(elsewhere))
    lack(world, executor, digest_of(elsewhere), next(iter(executor.running)))
    go(world, engine)
    assert world.reports[3].finished
    assert attempts(world) == {1: 1, 2: 1, 3: 2} | {int(elsewhere[1:]): 2}
    end_run(world)


@st.composite
def files(draw):
    """A random graph."""
    lines = []
    for number in range(1, draw(st.integers(2, 9)) + 1):
        reads = draw(st.lists(st.integers(1, number - 1), max_size=3, unique=True)) if number > 1 else []
        lines.append(Line(number, tuple(reads), draw(st.booleans())))
    return lines


# A result that was counted but not yet acknowledged comes again after a restart: its copy stays.
@example([Line(1, (), False), Line(2), Line(3, (1,), False), Line(4, (), False), Line(5, (1, 2), False)], 1980, 2)
# The engine repeats after every restart that a temporary output is no longer needed, not only after the first.
@example([Line(1, (), False), Line(2, (1,)), Line(3, (), False), Line(4, (1, 2)), Line(5, (), False),
          Line(6, (4,), False)], 92327, 1)
@settings(max_examples=examples(150), deadline=None)
@given(files(), st.integers(0, 10**6), st.integers(1, 3))
def test_whatever_is_lost(lines, seed, agents):
    """Executors die and the scheduler restarts at random: every task is reported once and finished, no attempt starts
    without its inputs (World checks that), and in the end nothing is left."""
    world, engine = begin(lines, agents, remakes=1000, claim_idle_s=5.0)
    rng = random.Random(seed)
    for _ in range(900):
        engine.step()
        if engine.over():
            break
        if rng.random() < 0.04 and world.live():
            executor = rng.choice(world.live())
            world.end(executor, rng.choice(["TASK_LOST", "TASK_FINISHED"]))
        if rng.random() < 0.03:
            world.crash_after = rng.randrange(3)
        turn(world)
    assert engine.over(), [(r.task.id, r.at, r.state) for r in world.core.state.tasks.values()]
    assert all(report.finished for report in world.reports.values())
    engine.step()
    world.crash_after = None
    for _ in range(2):
        for executor in world.live():
            world.sync(executor)
        world.pass_time(world.core.state.policy.hold_s + 1)
    assert not [executor.pins for executor in world.live() if executor.pins and not executor.running]
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    assert not world.core.state.temporaries.makers
