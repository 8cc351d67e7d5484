"""Ctrl-C, kill -9 and the leftovers of dead runs, with real makeflow, real processes and both clusters."""
from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import termios
from pathlib import Path

import psutil
import pytest
from flows import MFMESOS, Flow, nothing_stays
from support import wait_until

SLOW = "".join(
    f"s{i}: in.txt\n\tsleep 300.{os.getpid()}; cat in.txt > s{i}\n\n" for i in range(3))
QUICK = "quick: in.txt\n\tcat in.txt > quick\n\n"


@pytest.fixture
def flow(cluster, tmp_path):
    """A folder whose Makeflow has one quick rule and three that sleep; afterwards the agents are clean."""
    made = Flow(tmp_path / "flow", cluster)
    made.write("in.txt", "x\n")
    made.write("Makeflow", QUICK + SLOW)
    with nothing_stays(cluster):
        yield made
        wait_until(lambda: not sleepers(), 15, "the tasks' processes to be gone")


def sleepers() -> list[int]:
    """The tasks' own `sleep` processes, wherever they run."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == ["sleep", f"300.{os.getpid()}"]:
            found.append(process.pid)
    return found


def makeflow_of(launcher: int) -> psutil.Process:
    """The real makeflow below the launcher."""
    for child in psutil.Process(launcher).children(recursive=True):
        if Path(child.exe()).name.startswith("makeflow"):
            return child
    raise AssertionError("no makeflow below the launcher")


def finish(flow: Flow) -> None:
    """Without the slow rule the workflow resumes where it stopped and ends well; the quick rule does not run again."""
    flow.write("Makeflow", QUICK + SLOW.replace(f"sleep 300.{os.getpid()}; ", ""))
    done_before = [e["task"] for e in flow.report() if e["finished"]]
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert all((flow.folder / f"s{i}").read_text() == "x\n" for i in range(3))
    commands = [e["command"] for e in flow.report() if e["finished"]]
    assert len(done_before) == 1
    assert sum("quick" in c for c in commands) == 1


def start_and_wait(flow: Flow):
    process = flow.start(*flow.makeflow_argv())
    wait_until(lambda: len(sleepers()) == 3 and flow.report(), 40, "three running tasks")
    return process


def test_ctrl_c(flow):
    """SIGINT to the whole group, as a terminal sends it: tasks die, everything is torn down, and a second run
    resumes."""
    process = start_and_wait(flow)
    os.killpg(process.pid, signal.SIGINT)
    ended = flow.end(process, 60)
    assert ended.code not in (0, None), ended.out
    assert "stopping: makeflow ends within 5 s" in ended.out
    assert "run the same command again to resume" in ended.out
    assert not sleepers()
    finish(flow)


def test_ctrl_c_twice(flow):
    """An impatient user: the second Ctrl-C does not keep the tasks from being killed."""
    process = start_and_wait(flow)
    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    ended = flow.end(process, 60)
    assert ended.code not in (0, None), ended.out
    wait_until(lambda: not sleepers(), 10, "the tasks to die")
    finish(flow)


def test_makeflow_is_killed(flow):
    """kill -9 of makeflow: noticed within 5 s, everything is cleaned up, the next run resumes without a crash."""
    process = start_and_wait(flow)
    makeflow_of(process.pid).kill()
    wait_until(lambda: not sleepers(), 5 + 2, "the tasks to be killed")
    ended = flow.end(process, 40)
    assert ended.code not in (0, None), ended.out
    finish(flow)


def test_the_launcher_is_killed(flow):
    """kill -9 of the launcher: makeflow and the scheduler notice, everything is cleaned up."""
    process = start_and_wait(flow)
    makeflow = makeflow_of(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not sleepers(), 12, "the tasks to be killed")
    wait_until(lambda: not makeflow.is_running() or makeflow.status() == psutil.STATUS_ZOMBIE, 12, "makeflow to end")
    wait_until(lambda: not flow.cluster.get("/state")["frameworks"], 20, "the framework to be torn down")
    finish(flow)


def test_leftovers_of_a_dead_run(flow):
    """Stale mesos_task_info, mesos_task_state and mesos_done neither crash makeflow nor finish what did not run."""
    flow.write("Makeflow", QUICK)
    flow.write("mesos_task_info", "1,true,,quick,-1,-1,-1,submitted\n2,touch evil,,evil,-1,-1,-1,submitted\n")
    flow.write("mesos_task_state", "1,finished\n77,finished\n")
    flow.write("mesos_done", "finished")
    ended = flow.makeflow()
    assert ended.code == 0, ended.out
    assert (flow.folder / "quick").read_text() == "x\n"
    assert not (flow.folder / "evil").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_ctrl_c_of_the_batch_runner(flow, number):
    """SIGINT, SIGHUP or SIGQUIT: tasks are killed, what they have printed is kept, exit 130, and the next run does only
    what was not done."""
    flow.write("tasks.info", "1,cat in.txt > a,in.txt,a,-1,-1,-1,submitted\n"
               f"2,cat in.txt > b; echo begun; sleep 300.{os.getpid()},in.txt,b,-1,-1,-1,submitted\n")
    process = flow.start("run", "--master", flow.cluster.master, "tasks.info")
    wait_until(lambda: sleepers() and (flow.folder / "a").exists(), 30, "a running task")
    os.killpg(process.pid, number)
    ended = flow.end(process, 40)
    assert ended.code == 130, ended.out
    assert ended.line_with(f"stopped by {number.name}; ending what runs", "run the same command again to resume")
    assert not (flow.folder / "b").exists()
    assert flow.end(flow.start("logs", "2")).out == "begun\n"
    flow.write("tasks.info", (flow.folder / "tasks.info").read_text().replace(f"; sleep 300.{os.getpid()}", ""))
    ended = flow.run("tasks.info")
    assert ended.code == 0, ended.out
    assert [e["task"] for e in flow.report() if e["finished"]] == [1, 2]


def test_the_terminal_of_the_batch_runner_is_closed(flow):
    """When the terminal is gone nothing can be printed any more, yet everything ends in order."""
    flow.write("tasks.info", "1,cat in.txt > a,in.txt,a,-1,-1,-1,submitted\n"
               f"2,sleep 300.{os.getpid()},,,-1,-1,-1,submitted\n")
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*MFMESOS, "run", "--master", flow.cluster.master, "tasks.info"], cwd=flow.folder, stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(theirs)
    wait_until(lambda: sleepers() and (flow.folder / "a").exists(), 30, "a running task")
    os.close(ours)
    assert process.wait(40) == 130
    assert not (flow.folder / ".mfmesos" / "framework_id").exists()


@pytest.mark.parametrize("which", ["", ".mfmesos"])
def test_the_folder_is_renamed(flow, which):
    """During a run, the folder or ours in it: one line, the tasks are killed, the framework is torn down."""
    flow.write("tasks.info", "1,cat in.txt > a,in.txt,a,-1,-1,-1,submitted\n"
               f"2,cat in.txt > b; sleep 300.{os.getpid()},in.txt,b,-1,-1,-1,submitted\n")
    process = flow.start("run", "--plain", "--master", flow.cluster.master, "tasks.info")
    wait_until(lambda: sleepers() and (flow.folder / "a").exists(), 30, "a running task")
    (flow.folder / which).rename(flow.folder.with_name("elsewhere"))
    ended = flow.end(process, 40)
    assert ended.code == 1, ended.out
    assert ended.out.count("was removed, renamed or replaced during the run") == 1
    assert "task 2 failed" not in ended.out
