"""`mfmesos clean` after a run that was killed with -9, on both clusters."""
from __future__ import annotations

import json
import os

import psutil
import pytest
from flows import Flow
from support import wait_until

SLEEP = ["sleep", f"301.{os.getpid()}"]


def sleeping() -> bool:
    return any(p.info["cmdline"] == SLEEP for p in psutil.process_iter(["cmdline"]))


@pytest.fixture
def flow(tmp_path, cluster) -> Flow:
    return Flow(tmp_path / "flow", cluster)


def killed_run(flow: Flow) -> None:
    """A run of two tasks that dies by SIGKILL when the first has its output and the second sleeps."""
    tasks = [{"command": "echo made > made", "outputs": ["made"]}, {"command": " ".join(SLEEP)}]
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    process = flow.start("run", "--master", flow.cluster.master, "tasks.jsonl")
    wait_until(lambda: sleeping() and flow.report(), 40, "one task ended and one at work")
    process.kill()
    process.communicate()


def test_clean_after_a_killed_run(flow):
    """--dry-run names the framework and removes nothing; then the framework, its tasks and temporary files go, and
    outputs, logs and the record of finished tasks stay. A second time there is nothing left."""
    killed_run(flow)
    framework = (flow.folder / ".mfmesos" / "framework_id").read_text().split()[0]
    known = flow.files()

    said = flow.end(flow.start("clean", "--dry-run", "."))
    assert said.code == 0, said.out
    assert said.line_with("would remove", framework)
    assert sleeping()
    assert [f["id"] for f in flow.cluster.get("/state")["frameworks"]] == [framework]

    said = flow.end(flow.start("clean", "."))
    assert said.code == 0, said.out
    assert said.line_with("removed", framework)
    wait_until(lambda: not sleeping(), 20, "the task to die")
    wait_until(lambda: not flow.cluster.processes(), 20, "the executor to end")
    assert flow.cluster.get("/state")["frameworks"] == []
    assert flow.files() == known
    kept = {p.name for p in (flow.folder / ".mfmesos").iterdir() if not p.name.endswith(("-shm", "-wal"))}
    assert kept == {"engine", "lock", "record.sqlite", "report.jsonl", "run.sqlite", "scheduler.log"}

    said = flow.end(flow.start("clean", "."))
    assert (said.code, bool(said.line_with("no leftovers"))) == (0, True)


def test_clean_leaves_a_run_alone(flow):
    """While a run uses the folder nothing is removed; the line names the process."""
    flow.write("tasks.jsonl", json.dumps({"command": " ".join(SLEEP)}) + "\n")
    process = flow.start("run", "--master", flow.cluster.master, "tasks.jsonl")
    wait_until(sleeping, 40, "the task to run")
    said = flow.end(flow.start("clean", "."))
    assert said.code == 1
    assert said.line_with("another mfmesos run", str(process.pid))
    assert sleeping()
    process.terminate()
    flow.end(process, 40)
