"""Plain makeflow after `mfmesos link`: the real program starts our scheduler itself, on both clusters."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from flows import MFMESOS, Ended, Flow, left_on_agents, need_makeflow
from support import wait_until

GOOD = "good: in.txt\n\tcat in.txt > good\n\n"
SLEEP = f"300.7{os.getpid()}"
SLOW = "".join(f"s{i}: in.txt\n\tsleep {SLEEP}; cat in.txt > s{i}\n\n" for i in range(2))
FILES = ("mesos_task_info", "mesos_task_state", "mesos_done")


class Linked:
    """A private folder with the real makeflow and our scheduler beside it, and a workflow that it runs."""

    def __init__(self, bindir: Path, flow: Flow) -> None:
        self.bindir, self.flow, self.folder = bindir, flow, flow.folder

    def start(self, *args: str) -> subprocess.Popen[str]:
        master = f"--mesos-master={self.flow.cluster.master}"
        return subprocess.Popen(
            [str(self.bindir / "makeflow"), "-T", "mesos", master, *args, "Makeflow"],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True)

    def run(self, *args: str) -> Ended:
        return self.flow.end(self.start(*args), 60)

    def scheduler_is_gone(self) -> bool:
        """No process of ours works in the folder any more, and the files of the protocol are away."""
        return not [name for name in FILES if (self.folder / name).exists()] and not schedulers(self.folder)

    def said(self) -> str:
        """The scheduler's messages to the user: makeflow sends them to a file."""
        return (self.folder / "Makeflow.mesoslog").read_text()


def schedulers(folder: Path) -> list[int]:
    return processes("--makeflow", str(folder))


def scripts(folder: Path) -> list[int]:
    """What makeflow itself has started: the scheduler's parent."""
    return [pid for pid in processes(str(folder)) if psutil.Process(pid).cmdline()[1].endswith("mf_mesos_scheduler")]


def processes(*wanted: str) -> list[int]:
    """Those with all of these words in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if all(word in words for word in wanted) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def sleepers() -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", SLEEP]]


def mfmesos(*argv: str) -> None:
    done = subprocess.run([*MFMESOS, *argv], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def linked(cluster, tmp_path):
    """mfmesos link on a copy of the real makeflow; afterwards unlinked, the agents clean and no framework there."""
    need_makeflow()
    before = set(cluster.sandboxes())
    bindir = tmp_path / "bin"
    bindir.mkdir()
    shutil.copy(str(shutil.which("makeflow")), bindir / "makeflow")
    (bindir / "mf_mesos_scheduler").write_text("the original\n")
    mfmesos("link", str(bindir))
    made = Linked(bindir, Flow(tmp_path / "flow", cluster))
    made.flow.write("in.txt", "x\n")
    yield made
    wait_until(made.scheduler_is_gone, 15, "the scheduler to end and to clear away its files")
    wait_until(lambda: not sleepers(), 15, "the tasks' processes to be gone")
    wait_until(lambda: not left_on_agents(cluster, before), 15, "the agents to be clean")
    wait_until(lambda: not cluster.get("/state")["frameworks"], 15, "the framework to be torn down")
    mfmesos("unlink", str(bindir))
    assert (bindir / "mf_mesos_scheduler").read_text() == "the original\n"


def test_plain_makeflow_runs_a_workflow(linked):
    """A rule and one that needs it: outputs in place, exit 0."""
    linked.flow.write("Makeflow", GOOD + "end: good\n\ttr x y < good > end\n")
    ended = linked.run()
    assert ended.code == 0, ended.out + linked.flow.log()
    assert (linked.folder / "end").read_text() == "y\n"


def test_modules_in_the_workflows_folder(linked):
    """The scheduler, whose working directory that folder is, never takes a user's module for the standard library's."""
    for name in ("queue", "random", "select", "json"):
        linked.flow.write(f"{name}.py", "open('executed', 'w')\nraise SystemExit('a module of the user')\n")
    linked.flow.write("Makeflow", GOOD)
    ended = linked.run()
    assert ended.code == 0, ended.out + linked.flow.log()
    assert not (linked.folder / "executed").exists()


def test_a_failing_rule(linked):
    """With -r 0: the reason is in makeflow's mesoslog in one line, nothing partial lies there, the other rule ran. The
    rule is known by makeflow's number.
    """
    linked.flow.write("Makeflow", GOOD + "bad: in.txt\n\tcat in.txt > bad; echo the reason >&2; exit 3\n")
    ended = linked.run("-r", "0")
    assert ended.code == 0, ended.out  # makeflow's own: "nothing left to do"
    assert (linked.folder / "good").read_text() == "x\n"
    assert not (linked.folder / "bad").exists()
    Ended(0, linked.said()).line_with("exit code 3", "the reason")
    assert "exit code 3" in linked.flow.end(linked.flow.start("why", "rule:1")).out


def test_an_environment_is_not_lost_in_silence(linked):
    """Plain makeflow does not pass exported variables to its tasks: reported in makeflow's mesoslog."""
    linked.flow.write("Makeflow", "export DEPTH=3\n" + GOOD)
    ended = linked.run()
    assert ended.code == 0, ended.out + linked.flow.log()
    Ended(0, linked.said()).line_with(
        "mfmesos: Makeflow: export DEPTH: plain makeflow does not pass", "`mfmesos makeflow`")


def start_slow(linked: Linked) -> subprocess.Popen[str]:
    linked.flow.write("Makeflow", GOOD + SLOW)
    process = linked.start()
    wait_until(lambda: len(sleepers()) == 2 and linked.flow.report(), 40, "two running tasks")
    return process


def test_ctrl_c(linked):
    """SIGINT to the whole group, scheduler included: makeflow exits 1, tasks die, and a rerun resumes."""
    process = start_slow(linked)
    os.killpg(process.pid, signal.SIGINT)
    ended = linked.flow.end(process, 20)
    assert ended.code == 1, ended.out
    wait_until(linked.scheduler_is_gone, 10, "the scheduler to end")
    assert not sleepers()
    linked.flow.write("Makeflow", GOOD + SLOW.replace(f"sleep {SLEEP}; ", ""))
    ended = linked.run()
    assert ended.code == 0, ended.out + linked.flow.log()
    assert all((linked.folder / f"s{i}").read_text() == "x\n" for i in range(2))


def test_makeflow_is_killed(linked):
    """kill -9 of makeflow: noticed within 5 s, everything cleaned up; `mfmesos makeflow` then resumes without a
    crash."""
    process = start_slow(linked)
    process.kill()
    process.wait()
    wait_until(lambda: not sleepers(), 20, "the tasks to be killed")
    wait_until(linked.scheduler_is_gone, 10, "the scheduler to end")
    process.communicate(timeout=10)  # nobody of ours holds makeflow's stdout
    linked.flow.write("Makeflow", GOOD + SLOW.replace(f"sleep {SLEEP}; ", ""))
    ended = linked.flow.makeflow()
    assert ended.code == 0, ended.out + linked.flow.log()
    assert all((linked.folder / name).read_text() == "x\n" for name in ("good", "s0", "s1"))


@pytest.mark.parametrize(("who", "number"), [
    ("scheduler", signal.SIGKILL), ("script", signal.SIGKILL), ("makeflow", signal.SIGKILL),
    ("scheduler", signal.SIGTERM), ("script", signal.SIGTERM)])
def test_a_kill_and_a_plain_start_again(linked, who, number):
    """makeflow, which would wait for ever, is ended, and reads why on its own stderr when the scheduler was killed, or
    ended in order by a signal; all is given back, and the next plain makeflow does not crash."""
    process = start_slow(linked)
    victims = {"scheduler": schedulers, "script": scripts, "makeflow": lambda folder: [process.pid]}[who](linked.folder)
    assert len(victims) == 1
    psutil.Process(victims[0]).send_signal(number)
    ended = linked.flow.end(process, 30)
    if number == signal.SIGKILL:
        assert ended.code != 0, ended.out
    if who == "scheduler" and number == signal.SIGKILL:
        ended.line_with("the scheduler was killed by signal 9", "start makeflow again")
    wait_until(linked.scheduler_is_gone, 20, "the folder to be put right")
    linked.flow.write("Makeflow", GOOD + SLOW.replace(f"sleep {SLEEP}; ", ""))
    ended = linked.run()
    assert ended.code == 0, ended.out + linked.flow.log()
    assert all((linked.folder / name).read_text() == "x\n" for name in ("good", "s0", "s1"))


def test_progress_of_the_batch_runner(linked):
    """makeflow would take it for its own: ended at once, with the cure, and it is not touched."""
    linked.flow.write("Makeflow", GOOD)
    linked.flow.write(".mfmesos/engine", "batch\n")
    linked.flow.write("mesos_task_state", "1,failed,1\n")
    ended = linked.run()
    assert ended.code != 0, ended.out
    Ended(0, linked.said()).line_with("progress of `mfmesos run`", "another folder")
    assert (linked.folder / "mesos_task_state").read_text() == "1,failed,1\n"
    for name in FILES:
        (linked.folder / name).unlink(missing_ok=True)


def test_leftovers_of_a_dead_run(linked):
    """Old records are not run again, and an old mesos_done does not end the run that begins."""
    linked.flow.write("Makeflow", GOOD)
    linked.flow.write("mesos_task_info", "1,touch evil1,,evil1,-1,-1,-1,submitted\n"
                      "2,touch evil,,evil,-1,-1,-1,submitted\n")
    linked.flow.write("mesos_done", "finished")
    ended = linked.run()
    assert ended.code == 0, ended.out + linked.flow.log()
    assert (linked.folder / "good").read_text() == "x\n"
    assert not list(linked.folder.glob("evil*"))
