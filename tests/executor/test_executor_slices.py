"""The Mesos tasks that hold the slices of a claim: they run and end by themselves, the claim goes on."""
from __future__ import annotations

from executor_fakes import run
from support import wait_until

SLICES = [[1.0, 1000.0, 5000.0], [2.0, 2000.0, 10000.0]]


def state_of(executor, task):
    """The last reported one."""
    return next((u[1] for u in reversed(executor.updates) if u[0] == task), "")


def test_a_slice_is_given_back(start, staging):
    """Its Mesos task ends, the next syncs name only the other slice, and the claim goes on with the rest."""
    executor = start(slices=SLICES)
    for number in (1, 2):
        executor.say("launch", f"r-1.{number}", "")
        wait_until(lambda task=f"r-1.{number}": state_of(executor, task) == "TASK_RUNNING")
    wait_until(lambda: staging.syncs and staging.syncs[-1].slices == [1, 2])
    staging.give_back(2)
    wait_until(lambda: state_of(executor, "r-1.2") == "TASK_FINISHED")
    wait_until(lambda: staging.syncs[-1].slices == [1])
    staging.run(run("1.1", "sleep 300", cores=2.0), run("2.1", "true", cores=1.0))
    wait_until(lambda: "1.1" in staging.running())
    staging.kill("1.1")
    staging.wait("1.1", "2.1")
    assert state_of(executor, "r-1") == state_of(executor, "r-1.1") == "TASK_RUNNING"
    staging.let_go()
    assert executor.end()[0] == "TASK_FINISHED"
    assert state_of(executor, "r-1.1") == "TASK_FINISHED"


def test_a_slice_that_is_launched_late_or_killed(start, staging):
    """One that was given back before its launch ends at once; the kill of a slice is not that of the claim."""
    executor = start(slices=SLICES)
    staging.give_back(1)
    wait_until(lambda: staging.syncs and staging.syncs[-1].slices == [2])
    executor.say("launch", "r-1.1", "")
    wait_until(lambda: state_of(executor, "r-1.1") == "TASK_FINISHED")
    executor.say("launch", "r-1.2", "")
    wait_until(lambda: state_of(executor, "r-1.2") == "TASK_RUNNING")
    executor.say("kill", "r-1.2", 1.0)
    wait_until(lambda: state_of(executor, "r-1.2") == "TASK_KILLED")
    executor.say("kill", "r-1.2", 1.0)  # a call that was repeated
    staging.run(run("1.1", "true"))
    assert staging.wait("1.1")[0].outcome == "finished"
    assert state_of(executor, "r-1") == "TASK_RUNNING"
