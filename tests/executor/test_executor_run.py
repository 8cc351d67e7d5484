"""A task from its line to its result."""
from __future__ import annotations

from executor_fakes import contents, run


def test_runs_a_task(executor, staging):
    """Input in place, command run by sh, output inline, acknowledged; release ends the claim, nothing is left."""
    item = staging.add("in.txt", b"hello\n")
    staging.run(run("1.1", "cat in.txt > out.txt", [item], ["out.txt"]))
    (result,) = staging.wait("1.1")
    assert (result.outcome, result.reason, result.exit_code) == ("finished", "", 0)
    assert contents(result) == {"out.txt": b"hello\n"}
    staging.let_go()
    assert executor.end() == ("TASK_FINISHED", "")
    assert executor.left() == []
    assert [u[1] for u in executor.driver.updates] == ["TASK_RUNNING", "TASK_FINISHED"]
