"""The batch runner's plan: which tasks wait for which, conflicts, and tasks that can never run."""
from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import Task
from mfmesos.taskfiles.entries import Submitted
from mfmesos.taskfiles.plan import MOST_CONSUMERS, Plan, Status
from mfmesos.taskfiles.temporary_readers import TemporaryReaders


def task(task_id: int, inputs: str = "", outputs: str = "", line: int = 0) -> Submitted:
    return Submitted(Task(task_id, f"run {task_id}", tuple(inputs.split()), tuple(outputs.split())), line or task_id)


def plan(*records: Submitted, there: Iterable[str] = ()) -> Plan:
    on_disk = set(there)
    return Plan(records, on_disk.__contains__)


def ids(tasks: Iterable[Task]) -> list[int]:
    return [t.id for t in tasks]


def said(p: Plan) -> list[str]:
    return [problem.message("tasks") for problem in p.check()]


def test_a_diamond() -> None:
    """Each task is given once, as soon as all its inputs are made; the order on paper is one that works."""
    p = plan(task(1, "b c", "d"), task(2, "a", "b"), task(3, "a", "c"), task(4, "in", "a"), there=["in"])
    assert said(p) == []
    assert ids(p.order()) == [4, 2, 3, 1]
    assert ids(p.ready()) == [4]
    assert p.ready() == []
    assert ids(p.finished(4)) == [2, 3]
    assert p.finished(3) == []
    assert ids(p.finished(2)) == [1]
    assert p.finished(1) == []
    assert p.left == 0


def test_a_listed_maker_is_waited_for_even_if_the_file_is_there() -> None:
    """An old file of an earlier run is not taken for the new one."""
    p = plan(task(1, "", "a"), task(2, "a"), there=["a"])
    assert ids(p.ready()) == [1]


def test_missing_inputs() -> None:
    """One line for each name, with the first task that needs it."""
    p = plan(task(1, "no x", line=3), task(2, "no", "x", line=5))
    assert said(p) == ["tasks:3: task 1 (and 1 more) needs 'no', which does not exist and which no task makes "
                       "(create the file, or add the task that makes it)"]


def test_two_makers_of_one_output() -> None:
    """Both lines are named."""
    p = plan(task(1, "", "a b", line=2), task(2, "", "b c", line=7))
    assert said(p) == ["tasks:7: task 2 makes 'b', which task 1 on line 2 makes as well "
                       "(give each output a name of its own)"]


def test_its_own_input() -> None:
    """A task that writes what it reads, or makes the folder of what it reads."""
    assert "which is also its input" in said(plan(task(1, "a", "a"), there=["a"]))[0]
    assert "which is also its input" in said(plan(task(1, "d/x", "d"), there=["d/x"]))[0]


def test_one_id_twice() -> None:
    """The second is refused; its id is not the id to answer for."""
    p = plan(task(1, line=1), task(1, line=4))
    assert said(p) == ["tasks:4: task 1 is already on line 1 (give each task an id of its own)"]
    assert p.check()[0].task_id is None


def test_cycles_name_the_chain() -> None:
    """Each cycle in one line, from its first task in the file; what only waits for a cycle is not blamed."""
    p = plan(task(1, "x", "y"), task(2, "c", "a"), task(3, "a", "b"), task(4, "b", "c"), task(5, "f", "e"),
             task(6, "e", "f"), task(7, "c"), there=["x"])
    assert said(p) == [
        "tasks:2: a cycle: task 2 needs 'c' from task 4 on line 4, which needs 'b' from task 3 on line 3, "
        "which needs 'a' from task 2 on line 2 (remove one of these inputs)",
        "tasks:5: a cycle: task 5 needs 'f' from task 6 on line 6, which needs 'e' from task 5 on line 5 "
        "(remove one of these inputs)"]
    assert ids(p.order()) == [1]


def test_a_long_cycle_is_shortened() -> None:
    """The line stays readable."""
    p = plan(*(task(i, f"f{i - 1 or 500}", f"f{i}") for i in range(1, 501)))
    (line,) = said(p)
    assert "through 494 more tasks" in line
    assert len(line) < 600


# --- folders ----------------------------------------------------------------------------------------
def test_a_file_in_a_folder_that_a_task_makes() -> None:
    """Input d/x, output d."""
    p = plan(task(1, "d/x/y"), task(2, "", "d"))
    assert said(p) == []
    assert ids(p.ready()) == [2]
    assert ids(p.finished(2)) == [1]


def test_a_folder_that_several_tasks_fill() -> None:
    """Input d, outputs d/x and d/e/y: all of them are waited for. The same with the workflow's whole folder."""
    for folder in ("d", "."):
        p = plan(task(1, folder), task(2, "", "d/x d/z"), task(3, "", "d/e/y"), task(4, "", "../dx"), there=["d", "."])
        assert ids(p.order())[-1] == 1 or ids(p.order()) == [2, 3, 1, 4]
        assert ids(p.ready()) == [2, 3, 4]
        assert p.finished(2) == []
        assert ids(p.finished(3)) == [1]


def test_a_task_that_fills_a_folder_which_it_reads() -> None:
    """One such task waits for the others, not for itself; of two, none could be first."""
    p = plan(task(1, "d", "d/sum"), task(2, "", "d/x"), there=["d"])
    assert said(p) == []
    assert ids(p.ready()) == [2]
    assert ids(p.finished(2)) == [1]
    alone = plan(task(1, "d", "d/sum"), there=["d"])
    assert ids(alone.ready()) == [1]
    (line,) = said(plan(task(1, "d", "d/a"), task(2, "d", "d/b"), there=["d"]))
    assert "cycle" in line
    assert "task 1" in line
    assert "task 2" in line
    (line,) = said(plan(task(1, "d", "d/sum")))
    assert "needs 'd', which does not exist" in line


# --- failures ---------------------------------------------------------------------------------------
def test_what_can_never_run_after_a_failure() -> None:
    """Each with its reason, once; tasks that do not depend on it continue."""
    p = plan(task(1, "", "a"), task(2, "a", "b"), task(3, "b c"), task(4, "", "c"), task(5, "c"))
    assert ids(p.ready()) == [1, 4]
    blocked = p.failed(1)
    assert [(b.task.id, b.line, b.reason) for b in blocked] == [
        (2, 2, "needs a, which task 1 failed to make"),
        (3, 3, "needs b, which task 2 cannot make because task 1 failed")]
    assert ids(p.finished(4)) == [5]
    assert p.failed(1) == []
    assert p.left == 1
    p.finished(5)
    assert p.left == 0
    assert p.status(3) is Status.BLOCKED


def test_a_task_that_was_finished_before() -> None:
    """It counts as done, and what waits for it may start; a task that waits for one that is to run is never done."""
    records = [task(1, "in", "a"), task(2, "a", "b b2"), task(3, "b", "c")]
    p = plan(*records, there=["in", "a", "b", "c"])
    asked: list[tuple[int, str | None]] = []

    def why(one: Task, made_again: str | None) -> str | None:
        asked.append((one.id, made_again))
        return "b2 is missing" if one.id == 2 else None

    done, reasons = p.done_before(why)
    assert ids(done) == [1]
    assert reasons == {2: "b2 is missing", 3: ""}
    assert asked == [(1, None), (2, None), (3, "b")]
    assert said(p) == []
    assert ids(p.order()) == [2, 3]
    assert ids(p.ready()) == [2]
    assert p.left == 2


# --- a file that grows ------------------------------------------------------------------------------
def test_a_later_line_makes_a_missing_input() -> None:
    """It is waited for."""
    p = plan(task(1, "a"))
    assert p.check(follow=True) == []
    assert p.ready() == []
    assert p.add(task(2, "", "a")) == ([], [])
    assert ids(p.ready()) == [2]
    assert ids(p.finished(2)) == [1]


def test_a_missing_input_that_somebody_else_makes() -> None:
    """It is found by looking again."""
    on_disk: set[str] = set()
    p = Plan([task(1, "a")], on_disk.__contains__)
    assert p.look_again() == []
    on_disk.add("a")
    assert ids(p.look_again()) == [1]


def test_a_later_line_that_may_not_be() -> None:
    """A second maker, a second id, a cycle: refused with a line, and the plan stays valid."""
    p = plan(task(1, "z", "a"), task(2, "a", "b"))
    for wrong, words in ((task(3, "", "a", 9), "makes as well"), (task(2, line=9), "already on line 2")):
        (problem,), blocked = p.add(wrong)
        assert words in problem.message("tasks")
        assert blocked == []
    (problem,), blocked = p.add(task(4, "b", "z"))
    assert problem.message("tasks").startswith("tasks:1: a cycle: task 1 needs 'z' from task 4 on line 4, which needs")
    assert {b.task.id for b in blocked} == {1, 2}
    assert p.left == 0


def test_a_later_line_that_needs_what_failed() -> None:
    """It is blocked at once, and so is what waited for it; a new task may make the output after all."""
    p = plan(task(1, "", "a"), task(2, "b"))
    assert ids(p.ready()) == [1]
    p.failed(1)
    problems, blocked = p.add(task(3, "a", "b"))
    assert problems == []
    assert [(b.task.id, b.reason) for b in blocked] == [
        (3, "needs a, which task 1 failed to make"), (2, "needs b, which task 3 cannot make")]
    assert p.add(task(4, "", "a")) == ([], [])
    assert p.add(task(5, "a")) == ([], [])
    assert ids(p.ready()) == [4]
    assert ids(p.finished(4)) == [5]


def test_a_maker_that_comes_before_its_reader_was_given() -> None:
    """A task that could have started on an old file waits when a later line makes that file."""
    p = plan(task(1, "a"), there=["a"])
    p.add(task(2, "", "a"))
    assert ids(p.ready()) == [2]
    assert ids(p.finished(2)) == [1]


def test_the_end_of_a_file_that_grew() -> None:
    """Tasks whose inputs never came: one line each, without those that wait for one of them."""
    p = plan(task(1, "no"), task(2, "no", "a"), task(3, "a nor"), task(4))
    stuck = p.stuck()
    assert [s.task_id for s in stuck] == [1, 2]
    assert "needs 'no'" in stuck[0].problem
    assert [b.task.id for s in stuck for b in p.failed(s.task_id or 0)] == [3]


# --- all that can be --------------------------------------------------------------------------------
names = st.sampled_from(["a", "b", "c", "d", "d/x", "d/y", "d/x/z", "e/f", ".", "../g", "/h", "in"])
few = st.lists(names, max_size=3, unique=True)
records = st.lists(st.tuples(few, few), max_size=9).map(
    lambda parts: [task(i, " ".join(a), " ".join(b)) for i, (a, b) in enumerate(parts, 1)])


def drive(p: Plan, fail: set[int]) -> dict[int, str]:
    """Run it to its end; how each task ended, checked to be given once."""
    ends: dict[int, str] = {}
    todo = p.ready()
    while todo:
        now = todo.pop()
        assert now.id not in ends
        ends[now.id] = "failed" if now.id in fail else "finished"
        if now.id in fail:
            for one in p.failed(now.id):
                assert one.task.id not in ends
                ends[one.task.id] = "blocked"
        else:
            todo += p.finished(now.id)
        todo += p.ready()
    return ends


@given(records, st.sets(st.integers(1, 9)))
@settings(max_examples=examples(300))
def test_a_plan_without_problems_ends(listed: list[Submitted], fail: set[int]) -> None:
    """Without conflicts every task ends, once, and the printed order holds them all."""
    there = {"in", "a", "d", "."}
    p = plan(*listed, there=there)
    if p.check():
        return
    assert sorted(ids(p.order())) == [r.task.id for r in listed]
    ends = drive(p, fail)
    assert sorted(ends) == [r.task.id for r in listed]
    assert p.left == 0


@example([task(1, "a", ""), task(2, "d", "a"), task(3, "a b", "d")], set(), 0)
@given(records, st.sets(st.integers(1, 9)), st.integers(0, 9))
@settings(max_examples=examples(300))
def test_a_growing_plan_ends(listed: list[Submitted], fail: set[int], cut: int) -> None:
    """Lines that come later: every task ends or is reported as stuck, no task twice, whatever comes."""
    p = plan(*listed[:cut], there=["in", "d"])
    if p.check(follow=True):
        return
    ends = drive(p, fail)
    for record in listed[cut:]:
        problems, blocked = p.add(record)
        refused = {problem.task_id for problem in problems}
        for one in blocked:
            assert one.task.id not in ends
            ends[one.task.id] = "blocked"
        ends.update(dict.fromkeys((i for i in refused if i == record.task.id and i is not None), "refused"))
        for problem in problems:
            if "cycle" in problem.problem:
                ends[record.task.id] = "refused"
        more = drive(p, fail)
        assert not set(more) & set(ends)
        ends.update(more)
    for problem in p.stuck():
        assert problem.task_id not in ends
        ends[problem.task_id or 0] = "stuck"
        ends.update({b.task.id: "blocked" for b in p.failed(problem.task_id or 0)})
    assert p.left == 0
    assert sorted(ends) == [r.task.id for r in listed]


@pytest.mark.parametrize("shape", ["chain", "backwards", "folder"])
def test_a_hundred_thousand_tasks(shape: str) -> None:
    """Linear: a few seconds, on a slow machine too."""
    count = 100_000
    if shape == "folder":
        listed = [task(i, "in", f"d/o{i}") for i in range(1, count // 2)] + [
            task(i, "d", f"x{i}") for i in range(count // 2, count + 1)]
    else:
        listed = [task(i, f"o{i - 1}" if i > 1 else "in", f"o{i}") for i in range(1, count + 1)]
        if shape == "backwards":
            listed.reverse()
    began = time.process_time()
    p = plan(*listed, there=["in"])
    assert p.check() == []
    assert len(drive(p, set())) == count
    assert time.process_time() - began < 40


def test_what_later_tasks_read():
    """Of a task's outputs, those that tasks name which have not ended: neither what lies in a folder that they read,
    nor what only ended tasks have read."""
    tasks = [Task(1, "a", (), ("x", "y", "d/z", "w")), Task(2, "b", ("x", "d"), ()), Task(3, "c", ("y",), ())]
    plan = Plan([Submitted(task, n) for n, task in enumerate(tasks, 1)], lambda name: False)
    assert plan.read_of(tasks[0]) == ("x", "y")
    assert plan.also_read(tasks[1]) == ()
    plan.withdraw(3)
    assert plan.read_of(tasks[0]) == ("x",)


def test_what_others_read_as_well():
    """Inputs that another task names which has not ended; one of very many tasks counts without a look at each."""
    tasks = [Task(1, "a", ("x", "y"), ()), Task(2, "b", ("x",), ()), Task(3, "c", ("y",), ())]
    many = [Task(n, "d", ("z",), ()) for n in range(4, 4 + 1 + MOST_CONSUMERS)]
    plan = Plan([Submitted(task, n) for n, task in enumerate((*tasks, *many), 1)], lambda name: True)
    assert plan.also_read(tasks[0]) == ("x", "y")
    plan.withdraw(2)
    assert plan.also_read(tasks[0]) == ("y",)
    assert plan.also_read(many[0]) == ("z",)


def test_a_folder_with_a_temporary_output_is_no_input():
    """Only a task that names it finds it."""
    maker = Task(1, "a", (), ("d/x", "y"), temporary=("d/x",))
    readers = [Task(2, "b", ("d/x",)), Task(3, "c", ("d",)), Task(4, "d", ("y",))]
    plan = Plan([Submitted(one, n) for n, one in enumerate((maker, *readers), 1)], lambda name: False)
    assert [(p.line, "d/x" in p.problem) for p in plan.check()] == [(3, True)]


def test_readers_of_temporary_outputs():
    """Unneeded when it was made and the last reader has ended; makers of done tasks are found through others."""
    tasks = [Task(1, "a", (), ("x",), temporary=("x",)), Task(2, "b", ("x",), ("y",), temporary=("y",)),
             Task(3, "c", ("y", "x"))]
    readers = TemporaryReaders(tasks)
    assert {task.id for task in readers.needed_makers([tasks[2]], {1, 2})} == {1, 2}
    readers.ended(tasks[0], True)
    readers.ended(tasks[1], True)
    assert readers.take_unneeded() == ()
    readers.complete = False
    readers.ended(tasks[2], False)
    assert readers.take_unneeded() == ()
    readers.complete = True
    assert readers.take_unneeded() == ("x", "y")
    assert readers.take_unneeded() == ()


def test_a_failed_task_runs_again() -> None:
    """What could not run without it waits again, except what also needs another failed task."""
    p = plan(task(1, "", "a"), task(2, "", "b"), task(3, "a", "c"), task(4, "a b", "d"), task(5, "c", "e"))
    assert ids(p.ready()) == [1, 2]
    p.failed(1)
    p.failed(2)
    assert p.left == 0
    assert ids(p.retry(1)) == [3, 5]
    assert (p.left, p.status(1), p.status(4)) == (3, Status.TAKEN, Status.BLOCKED)
    assert ids(p.finished(1)) == [3]
    assert ids(p.retry(2)) == [4]
    assert ids(p.finished(2)) == [4]
    assert ids(p.finished(3)) == [5]
    p.finished(4)
    p.finished(5)
    assert p.left == 0
