"""Among the claims where a task fits, it starts where most of its inputs' bytes lie; nobody waits for that."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from world import World

from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.nearest import LOOK_AHEAD, first_inputs
from mfmesos.core.nearness import LARGE_BYTES, Nearness, large
from mfmesos.core.policy import Policy
from mfmesos.shared import wire

GB = 1 << 30
ONE = {"cores": 1.0, "memory_mb": 100.0, "disk_mb": 100.0}


def digest(n: int) -> str:
    return f"{n:064x}"


def submitted(task_id: int, *reads: int, size: int = GB) -> ev.TaskSubmitted:
    inputs = tuple(StagedInput(f"f{n}", digest(n), size, 0o644) for n in reads)
    return ev.TaskSubmitted(Task(task_id, f"cmd {task_id}", tuple(i.name for i in inputs), (f"f{task_id}",),
                                 Request(**ONE)), inputs)


def two_claims(cores: float = 1.0) -> World:
    """A claim on each of two agents, with a task that has ended in each: 1 in that of a1, 2 in that of a2. Both kept
    their output."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", claim_idle_s=1000.0),
                  {"a1": Resources(cores, 4096, 20000), "a2": Resources(cores, 4096, 20000)})
    world.register()
    fillers = range(101, 101 + 2 * int(cores))
    world.send(*(submitted(i) for i in fillers))
    world.offer()
    for executor in world.live():
        world.sync(executor)
    first, second = world.live()
    # Each keeps an output of its first task: f1 at a1, f2 at a2.
    for number, executor in enumerate((first, second), 1):
        for n, attempt in enumerate(list(executor.running)):
            kept = [wire.Kept("f", digest(number), GB)] if n == 0 else []
            world.finish(executor, attempt, kept=kept)
        world.sync(executor)
        world.sync(executor)
    assert len(world.reports) == len(fillers)
    return world


def where(world: World) -> dict[int, str]:
    """Task -> agent, of the running ones."""
    for executor in world.live():
        world.sync(executor)
    return {int(a.partition(".")[0]): e.claim.agent_id for e in world.live() for a in e.running}


def test_a_task_starts_where_its_input_was_made():
    """Whatever claim comes first."""
    world = two_claims()
    world.send(submitted(10, 2), submitted(11, 1))
    assert where(world) == {10: "a2", 11: "a1"}


def test_an_input_that_others_read_there_counts():
    """A claim that fetched an input which several tasks need has it afterwards."""
    world = two_claims()
    world.send(submitted(10, 2, 7), submitted(11, 1), submitted(12, 7), submitted(13, 8))
    assert where(world) == {10: "a2", 11: "a1"}
    for executor in reversed(world.live()):
        for attempt in list(executor.running):
            world.finish(executor, attempt)
        world.sync(executor)
    assert where(world) == {12: "a2", 13: "a1"}


def test_most_bytes_count():
    """Where only a small part lies, another claim is preferred."""
    world = two_claims()
    first = StagedInput("f1", digest(1), LARGE_BYTES, 0o644)
    second = StagedInput("f2", digest(2), 2 * LARGE_BYTES, 0o644)
    world.send(ev.TaskSubmitted(Task(10, "x", ("f1", "f2"), ("o",), Request(**ONE)), (first, second)))
    assert where(world) == {10: "a2"}


def test_nobody_waits_for_nearness():
    """A claim that is full leaves the task to the others."""
    world = two_claims()
    world.send(submitted(10, 2))
    world.send(submitted(11, 2))
    assert where(world) == {10: "a2", 11: "a1"}


def test_a_chain_stays_while_others_wait():
    """Of the first few of a shape, the task whose input was just made there is next."""
    world = two_claims()
    world.send(submitted(10, 1), submitted(11, 2), *(submitted(i, i) for i in range(50, 55)))
    assert where(world) == {10: "a1", 11: "a2"}
    for executor in world.live():
        for attempt in list(executor.running):
            n = int(attempt.partition(".")[0])
            world.finish(executor, attempt, kept=[wire.Kept(f"f{n}", digest(n), GB)])
            world.send(submitted(n + 100, n))  # known before the result, for the sake of the test
    assert where(world) == {110: "a1", 111: "a2"}


def test_no_task_starves():
    """A task whose input lies nowhere is passed over a bounded number of times, although there is always one whose
    input lies in the claim."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", claim_idle_s=1000.0),
                  {"a1": Resources(1, 4096, 20000)})
    world.register()
    world.send(submitted(1), submitted(2, 999))
    world.offer()
    n = 1
    for n in range(1, 3 * LOOK_AHEAD):
        (executor,) = world.live() or [None]
        world.sync(executor)
        (attempt,) = executor.running
        number = int(attempt.partition(".")[0])
        if number == 2:
            break
        world.send(submitted(1000 + n, number))
        world.finish(executor, attempt, kept=[wire.Kept("f", digest(number), GB)])
        world.sync(executor)
    assert n == 1 + LOOK_AHEAD + 1


def test_small_inputs_do_not_count():
    """Neither do more than a few of many."""
    assert large([StagedInput("a", digest(1), LARGE_BYTES - 1, 0o644)]) == ()
    many = [StagedInput(f"f{n}", digest(n), LARGE_BYTES + n, 0o644) for n in range(100)]
    assert [size for _, size in large(many)] == [LARGE_BYTES + n for n in range(99, 91, -1)]


STEPS = st.tuples(st.sampled_from(["add", "add", "forget"]), st.integers(0, 4), st.integers(0, 6))


@given(st.lists(STEPS, max_size=60))
def test_the_structure_equals_a_plain_model(steps):
    """Bytes at a claim are those of the last digests that were added there and not forgotten."""
    near, model, most = Nearness(most=5), {}, 5
    for what, claim, number in steps:
        if what == "forget":
            near.forget(f"c{claim}")
            for claims in model.values():
                claims.discard(claim)
            model = {d: claims for d, claims in model.items() if claims}
            continue
        near.add(f"c{claim}", digest(number))
        model[number] = model.pop(number, set()) | {claim}
        if len(model) > most:
            del model[next(iter(model))]
    wanted = [(digest(n), 10**n) for n in range(7)]
    for claim in range(5):
        assert near.bytes_at(wanted, f"c{claim}") == sum(10**n for n, claims in model.items() if claim in claims)
        assert (f"c{claim}" in set(near.claims(wanted))) == any(claim in claims for claims in model.values())


def test_what_a_claim_needs_first():
    """The inputs of the first task that it was opened for; none where another claim on its agent may have them, or
    once it is gone.
    """
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off"), {"a1": Resources(4, 4096, 20000)})
    world.register()
    world.send(submitted(1, 7, 8), submitted(2, 9))
    world.offer()
    (claim,) = world.core.state.claims
    assert [i.name for i in first_inputs(world.core.state, claim.id)] == ["f7", "f8"]
    world.send(*(submitted(i, 9) for i in range(3, 10)))
    world.offer()
    assert len(world.core.state.claims) == 2
    assert [first_inputs(world.core.state, one.id) for one in world.core.state.claims] == [(), ()]
    assert first_inputs(world.core.state, "none") == ()


def test_what_a_claim_of_one_task_needs_first():
    """That task's inputs, whatever waits before it."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", per_task_claims=True),
                  {f"a{n}": Resources(1, 4096, 20000) for n in (1, 2)})
    world.register()
    world.send(submitted(1, 7), submitted(2, 9))
    world.offer()
    found = [[i.name for i in first_inputs(world.core.state, claim.id)] for claim in world.core.state.claims]
    assert found == [["f7"], ["f9"]]
