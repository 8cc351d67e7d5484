"""Runs that go on without their terminal: --detach and `mfmesos attach`."""
from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from flows import Ended, Flow, need_makeflow, nothing_stays
from support import wait_until

from mfmesos.shared import procfs


@pytest.fixture
def flow(tmp_path, embedded_mesos) -> Flow:
    return Flow(tmp_path / "flow", embedded_mesos)


def ended(flow: Flow, *argv: str) -> Ended:
    return flow.end(flow.start(*argv))


def write_tasks(flow: Flow) -> None:
    """One waits for the file `go`, one fails."""
    flow.write("tasks.jsonl", "".join(json.dumps({"command": command, "cores": 1, "memory": 50, "disk": 50}) + "\n"
                                      for command in (f"until [ -e {flow.folder}/go ]; do sleep 0.1; done", "exit 3")))


def process_of(folder: Path) -> procfs.Process:
    found = procfs.read(json.loads((folder / ".mfmesos/detached.json").read_text())["pid"])
    assert found is not None
    return found


def test_a_run_goes_on_without_its_terminal(flow):
    """The command returns when the run has begun, whose process has a session of its own. `attach` shows it; Ctrl-C
    ends `attach` alone. A second `attach` ends with the run's last lines and exit code, a third after the end as well.
    """
    write_tasks(flow)
    argv = ["run", "--master", flow.cluster.master, "-k", "tasks.jsonl"]
    with nothing_stays(flow.cluster):
        done = ended(flow, *argv, "--detach")
        assert done.code == 0, done.out
        assert done.line_with("cluster of", "2 tasks")
        process = process_of(flow.folder)
        assert f"kill -INT {process.pid} stops it" in done.out
        assert process.session == process.pid != os.getsid(0)
        again = ended(flow, *argv, "--detach")
        assert (again.code, "a detached run is active" in again.out) == (1, True)

        attached = flow.start("attach", "--plain")
        assert attached.stdout is not None
        assert "cluster of" in attached.stdout.readline()
        attached.send_signal(signal.SIGINT)
        left = flow.end(attached)
        assert (left.code, f"kill -INT {process.pid} stops it" in left.out) == (0, True)
        assert process_of(flow.folder).state != "Z"
        attached = flow.start("attach", str(flow.folder))
        assert attached.stdout is not None
        assert "cluster of" in attached.stdout.readline()
        flow.write("go", "")
        last = flow.end(attached)
    assert last.code == 1
    assert "1 of 2 tasks finished" in last.out.splitlines()[-1]
    later = ended(flow, "attach")
    assert (later.code, later.out.splitlines()[-1]) == (1, last.out.splitlines()[-1])


def test_what_goes_wrong_at_the_start_is_said(flow):
    """An invalid task file, and another run in the folder: the message and the exit code of the foreground run."""
    flow.write("tasks.jsonl", "{}\n")
    done = ended(flow, "run", "--master", flow.cluster.master, "--detach", "tasks.jsonl")
    assert (done.code, "nothing was started" in done.out) == (2, True), done.out
    write_tasks(flow)
    first = flow.start("run", "--master", flow.cluster.master, "-k", "tasks.jsonl")
    wait_until(lambda: (flow.folder / ".mfmesos/control.json").exists(), 60, "the run")
    done = ended(flow, "run", "--master", flow.cluster.master, "--detach", "tasks.jsonl")
    assert (done.code, "continues in the background" in done.out) == (1, False), done.out
    followed = flow.start("attach", "--plain")  # a run in the foreground can be followed, too
    assert followed.stdout is not None
    assert "cluster of" in followed.stdout.readline()
    flow.write("go", "")
    assert flow.end(first).code == 1
    last = flow.end(followed)
    assert (last.code, "1 of 2 tasks finished" in last.out) == (1, True), last.out


def test_a_detached_run_is_stopped_and_makeflow_is_detached(flow):
    """As `attach` says, by SIGINT: its exit code is that of Ctrl-C. A run of makeflow is detached and attached alike.
    """
    need_makeflow()
    write_tasks(flow)
    with nothing_stays(flow.cluster):
        assert ended(flow, "run", "--master", flow.cluster.master, "-k", "--detach", "tasks.jsonl").code == 0
        os.kill(process_of(flow.folder).pid, signal.SIGINT)
        stopped = ended(flow, "attach")
        assert stopped.code == 130, stopped.out
        flow.write("Makeflow", f"CORES=1\nMEMORY=50\nDISK=50\no:\n\tuntil [ -e {flow.folder}/go ]; do sleep 0.1; done;"
                               " echo 1 > o\n")
        done = ended(flow, *flow.makeflow_argv()[:-2], "--detach", "--", "Makeflow")
        assert done.code == 0, done.out
        attached = flow.start("attach", "--plain")
        assert attached.stdout is not None
        assert "cluster of" in attached.stdout.readline()
        flow.write("go", "")
        last = flow.end(attached)
    assert last.code == 0, last.out
    assert (flow.folder / "o").exists()
