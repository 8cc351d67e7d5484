"""Slow transfers: they delay neither the ends of attempts nor each other's small ones, and their number is bounded."""
from __future__ import annotations

import base64
import threading

import pytest
from executor_fakes import run
from mfmesos_executor.threads import Lanes, Pool
from support import wait_until

LARGE = b"x" * 300_000
STUCK = 20


@pytest.fixture
def executor(start):
    """Room for many attempts."""
    return start(cores=64.0, memory_mb=64_000.0)


class Steps:
    """Steps that wait until the test lets them end."""

    def __init__(self):
        self.begun: list[str] = []
        self.gate = threading.Semaphore(0)

    def __call__(self, name: str):
        def step():
            self.begun.append(name)
            assert self.gate.acquire(timeout=20)
        return step

    def let(self, count: int = 1):
        self.gate.release(count)


def test_large_steps_take_half_of_the_threads():
    """Small ones run beside any number of stuck large ones; a large one that waits runs when another has ended."""
    lanes, large, small = Lanes(4), Steps(), Steps()
    for i in range(10):
        lanes.submit(large(f"large {i}"), large=True)
    wait_until(lambda: len(large.begun) == 2)
    for i in range(3):
        lanes.submit(small(f"small {i}"), large=False)
    wait_until(lambda: len(small.begun) == 2)
    small.let(3)
    wait_until(lambda: len(small.begun) == 3)
    assert large.begun == ["large 0", "large 1"]
    large.let(10)
    wait_until(lambda: len(large.begun) == 10)
    assert large.begun == [f"large {i}" for i in range(10)]


def test_a_job_of_many_steps_takes_turns():
    """A hundred large steps of one job, one after the other: another job's single one is the second or third."""
    lanes, done, order = Lanes(2), threading.Event(), []
    left = iter(range(100))

    def next_of_many():
        number = next(left, None)
        if number is None:
            done.set()
            return
        order.append("many")
        if number == 0:
            lanes.submit(lambda: order.append("one"), large=True)
        lanes.submit(next_of_many, large=True)

    lanes.submit(next_of_many, large=True)
    assert done.wait(20)
    assert order.index("one") <= 2


def test_a_step_that_waits_can_be_withdrawn():
    """It never runs; one that has begun can not be."""
    lanes, steps = Lanes(2), Steps()
    running, waiting = steps("running"), steps("waiting")
    lanes.submit(running, large=True)
    lanes.submit(waiting, large=True)
    wait_until(lambda: steps.begun == ["running"])
    assert lanes.crowded(True)
    assert lanes.withdraw(waiting, large=True)
    assert not lanes.withdraw(waiting, large=True)
    assert not lanes.withdraw(running, large=True)
    assert not lanes.crowded(True)
    lanes.submit(steps("last"), large=True)
    steps.let(2)
    wait_until(lambda: steps.begun == ["running", "last"])


def test_a_step_that_fails_takes_no_place():
    """As many run afterwards as before."""
    lanes, steps = Lanes(2), Steps()

    def fails():
        raise ValueError("as this test wants it")
    for _ in range(5):
        lanes.submit(fails, large=True)
    lanes.submit(steps("next"), large=True)
    wait_until(lambda: steps.begun == ["next"])
    steps.let()


def test_without_any_thread_a_step_is_refused(monkeypatch):
    """And does not run later, behind the back of whom it was refused to."""
    lanes, steps = Lanes(2), Steps()
    real = threading.Thread.start

    def refuse(self):
        raise RuntimeError("can't start new thread")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="thread"):
        lanes.submit(steps("refused"), large=False)
    monkeypatch.setattr(threading.Thread, "start", real)
    lanes.submit(steps("accepted"), large=False)
    wait_until(lambda: steps.begun == ["accepted"])
    steps.let()


def stuck_downloads(staging, count: int = STUCK):
    """Attempts that wait for ever for one large input each; returns when as many as may are being fetched: first those
    that fetch, then those that wait for their turn.
    """
    inputs = [staging.add("in", LARGE + b"%d" % i, shared=False) for i in range(count)]
    staging.get_delay.clear()
    staging.run(*(run(f"s{i}.1", "true", [item], memory_mb=10.0) for i, item in enumerate(inputs)))
    wait_until(lambda: len(staging.gets) == 8)
    waits = [item.digest not in staging.gets for item in inputs]
    return [f"s{i}.1" for i in sorted(range(count), key=waits.__getitem__)]


def test_ends_do_not_wait_for_downloads(executor, staging):
    """More attempts than there are threads fetch something large and get nothing: others start, end and deliver."""
    staging.run(run("1.1", "read x < fifo; echo 1 > o", outputs=["o"]), run("2.1", "exit 3"))
    assert staging.wait("2.1")[0].exit_code == 3
    stuck = stuck_downloads(staging)
    staging.run(*(run(f"{i}.1", "echo 1 > o", outputs=["o"], memory_mb=10.0) for i in range(3, 30)))
    ended = staging.wait(*(f"{i}.1" for i in range(3, 30)))
    assert {r.outcome for r in ended} == {"finished"}
    assert not set(stuck) & staging.results.keys()
    assert len(staging.gets) == 8
    staging.get_delay.set()
    assert {r.outcome for r in staging.wait(*stuck)} == {"finished"}


def test_ends_do_not_wait_for_uploads(executor, staging):
    """Attempts whose large outputs do not get through: others end meanwhile, with small outputs and as failed."""
    staging.put_delay.clear()
    staging.run(*(run(f"s{i}.1", "head -c 300000 /dev/zero > o", outputs=["o"], memory_mb=10.0) for i in range(STUCK)))
    wait_until(lambda: len(staging.put_sizes) == 8)
    staging.run(*(run(f"{i}.1", "echo 1 > o", outputs=["o"], memory_mb=10.0) for i in range(3, 30)))
    staging.run(run("30.1", "exit 3", memory_mb=10.0))
    assert {r.outcome for r in staging.wait(*(f"{i}.1" for i in range(3, 30)))} == {"finished"}
    assert staging.wait("30.1")[0].exit_code == 3
    assert len(staging.put_sizes) == 8
    staging.put_delay.set()
    assert {r.outcome for r in staging.wait(*(f"s{i}.1" for i in range(STUCK)))} == {"finished"}


def test_small_inputs_do_not_wait_for_large_ones(executor, staging):
    """An attempt with small inputs runs while others wait for theirs."""
    stuck_downloads(staging)
    staging.stuck_below = 1000
    small = [staging.add(f"in{i}", b"%d" % i) for i in range(3)]
    staging.run(run("1.1", "cat in0 in1 in2 > o", small, ["o"], memory_mb=10.0))
    assert staging.wait("1.1")[0].outcome == "finished"
    staging.get_delay.set()


def test_one_attempt_with_many_large_inputs(executor, staging):
    """Its inputs and those of others come in turns: the other's only one is not the last."""
    many = [staging.add(f"in{i}", LARGE + b"m%d" % i, shared=False) for i in range(30)]
    other = staging.add("in", LARGE, shared=False)
    stuck = stuck_downloads(staging, 8)
    staging.run(run("1.1", "true", many, memory_mb=10.0))
    staging.run(run("2.1", "true", [other], memory_mb=10.0))
    staging.get_delay.set()
    staging.wait("1.1", "2.1", *stuck)
    assert staging.gets.index(other.digest) < staging.gets.index(many[-1].digest)


def test_kills_do_not_wait_for_transfers(executor, staging):
    """An attempt that waits for its turn ends at once when it is killed, and leaves nothing to run later."""
    stuck = stuck_downloads(staging)
    fetched = len(staging.gets)
    waiting = stuck[8:]
    staging.kill(*waiting)
    assert {r.outcome for r in staging.wait(*waiting)} == {"killed"}
    staging.get_delay.set()
    staging.wait(*stuck)
    assert len(staging.gets) == fetched


def test_what_waits_for_nothing_needs_no_worker(executor, staging, monkeypatch):
    """Attempts start and end on the claim's own thread: without inputs, with one that came along, and where no worker
    is to be had a long one as well.
    """
    def refuse(*_: object) -> None:
        raise OSError("no thread")
    monkeypatch.setattr(Pool, "submit", refuse)
    item = staging.add("in", b"hello", shared=False)
    item.content = base64.b64encode(b"hello").decode()
    staging.run(run("1.1", "echo 1 > o", outputs=["o"]), run("2.1", "cat in > o", [item], ["o"]), run("3.1", "exit 3"),
                run("4.1", "sleep 0.6"))
    assert [r.exit_code for r in staging.wait("1.1", "2.1", "3.1", "4.1")] == [0, 0, 3, 0]
    assert staging.gets == []
