"""The scheduler is killed with SIGKILL, and another resumes: real processes, real files, both clusters."""
from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest
from flows import Flow, nothing_stays
from support import wait_until

RULES = 24


@pytest.fixture
def flow(cluster, tmp_path):
    """Afterwards the agents are clean and the framework is gone."""
    made = Flow(tmp_path / "flow", cluster)
    made.write("in.txt", "x\n")
    with nothing_stays(cluster):
        yield made


def command(number: int, tally: Path, size: int = 0) -> str:
    """Writes down that it ran, takes a moment, and makes an output, of `size` bytes more when that is given."""
    more = f"; head -c {size} /dev/zero >> o{number}" if size else ""
    return f"echo {number} >> {tally}; cat in.txt > o{number}{more}; sleep 0.3"


def scheduler_of(launcher: int) -> psutil.Process:
    """The scheduler process below the launcher."""
    for child in psutil.Process(launcher).children():
        if "mfmesos.scheduler" in child.cmdline():
            return child
    raise AssertionError("no scheduler below the launcher")


def counted(tally: Path) -> Counter[str]:
    return Counter(tally.read_text().split()) if tally.exists() else Counter()


def all_once(tally: Path, numbers: range) -> None:
    assert counted(tally) == {str(i): 1 for i in numbers}


@pytest.mark.parametrize("size", [0, 200_000])
def test_the_scheduler_of_makeflow_is_killed(flow, tmp_path, size):
    """Twice, while tasks run: the launcher starts another, makeflow notices nothing, no task runs twice.

    With outputs that ride in the results, and with such that are sent by themselves."""
    tally = tmp_path / "tally"
    flow.write("Makeflow", "".join(
        f"o{i}: in.txt\n\t{command(i, tally, size)}\n\n" for i in range(RULES)))
    process = flow.start(*flow.makeflow_argv())
    for ended in (3, 12):
        wait_until(lambda n=ended: sum(counted(tally).values()) >= n, 40, "tasks at work")
        wait_until(lambda: scheduler_of(process.pid), 10, "a scheduler").kill()
    ended = flow.end(process, 90)
    assert ended.code == 0, ended.out + flow.log()
    assert ended.out.count("starting it again") == 2, ended.out
    assert all((flow.folder / f"o{i}").read_bytes() == b"x\n" + bytes(size) for i in range(RULES))
    all_once(tally, range(RULES))
    reported = Counter(e["task"] for e in flow.report())
    assert len(reported) == RULES, flow.log()
    assert set(reported.values()) == {1}, flow.log()
    assert not (flow.folder / ".mfmesos" / "journal.sqlite").exists()


def test_the_scheduler_is_killed_after_the_end(flow):
    """makeflow has written mesos_done: the launcher starts another scheduler, which gives back what this one held."""
    flow.write("Makeflow", "o: in.txt\n\tcat in.txt > o\n\n"
               "last: o\n\tLOCAL while [ ! -e go ]; do sleep 0.1; done; cat o > last\n")
    process = flow.start(*flow.makeflow_argv())
    state = flow.folder / "mesos_task_state"  # the output itself is published before makeflow hears of the task's end
    wait_until(lambda: state.exists() and "finished" in state.read_text(), 40, "the task")
    scheduler = scheduler_of(process.pid)
    scheduler.suspend()
    flow.write("go", "")
    wait_until(lambda: (flow.folder / "mesos_done").exists(), 20, "makeflow's end")
    scheduler.kill()
    ended = flow.end(process, 60)
    assert ended.code == 0, ended.out
    ended.line_with("killed by SIGKILL", "before it released its claims")
    assert "mfmesos clean" not in ended.out
    assert not (flow.folder / ".mfmesos" / "framework_id").exists()
    assert not list((flow.folder / ".mfmesos").glob("journal*"))


def test_the_batch_runner_is_killed(flow, tmp_path):
    """kill -9 of `mfmesos run`; the same command resumes: results of the meantime are collected, not computed again. A
    third time nothing is left to do, and a line reports that."""
    tally = tmp_path / "tally"
    flow.write("tasks.info", "".join(
        f"{i},{command(i, tally)},in.txt,o{i},-1,-1,-1,submitted\n" for i in range(1, RULES + 1)))
    argv = ("run", "--master", flow.cluster.master, "tasks.info")
    process = flow.start(*argv)
    wait_until(lambda: sum(counted(tally).values()) >= 5, 40, "tasks at work")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (flow.folder / ".mfmesos" / "journal.sqlite").stat().st_mode & 0o777 == 0o600
    ended = flow.end(flow.start(*argv), 60)
    assert ended.code == 0, ended.out + flow.log()
    again = flow.end(flow.start(*argv), 60)
    assert f"{RULES} of {RULES} tasks finished ({RULES} of them in an earlier run)" in again.out
    assert all((flow.folder / f"o{i}").read_text() == "x\n" for i in range(1, RULES + 1))
    all_once(tally, range(1, RULES + 1))
    state = (flow.folder / "mesos_task_state").read_text().splitlines()
    assert sorted(state) == sorted(f"{i},finished" for i in range(1, RULES + 1))


def test_a_changed_task_file_is_believed(flow, tmp_path):
    """A task that ran when the runner died is edited: the old attempt is killed, the new one runs."""
    tally = tmp_path / "tally"
    flow.write("tasks.info", f"1,echo old >> {tally}; sleep 300,in.txt,o1,-1,-1,-1,submitted\n")
    process = flow.start("run", "--master", flow.cluster.master, "tasks.info")
    wait_until(lambda: counted(tally), 40, "the task at work")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    flow.write("tasks.info", f"1,echo new >> {tally}; cat in.txt > o1,in.txt,o1,-1,-1,-1,submitted\n")
    ended = flow.run("tasks.info")
    assert ended.code == 0, ended.out + flow.log()
    assert counted(tally) == {"old": 1, "new": 1}


def test_edits_after_a_kill(flow, tmp_path):
    """While the runner is dead, an input of one task and the command of another are edited, and a line is inserted
    above all: no result of the old attempts is used, and tasks that were not edited continue and do not run twice."""
    tally, go = tmp_path / "tally", tmp_path / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"

    def line(name: str, word: str) -> str:
        command = f"echo {name} >> {tally}; {wait}; cat {name}.in > {name}; echo {word} >> {name}"
        return json.dumps({"command": command, "inputs": [f"{name}.in"], "outputs": [name]}) + "\n"

    for name in ("input", "command", "same"):
        flow.write(f"{name}.in", "old\n")
    flow.write("tasks.jsonl", line("input", "x") + line("command", "x") + line("same", "x"))
    argv = ("run", "--master", flow.cluster.master, "tasks.jsonl")
    process = flow.start(*argv)
    wait_until(lambda: sum(counted(tally).values()) >= 3, 40, "tasks at work")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    flow.write("input.in", "new\n")
    flow.write("tasks.jsonl", json.dumps({"command": wait}) + "\n"
               + line("input", "x") + line("command", "y") + line("same", "x"))
    process = flow.start(*argv)
    wait_until(lambda: sum(counted(tally).values()) >= 5, 40, "the edited tasks to be run again")
    go.touch()
    ended = flow.end(process, 60)
    assert ended.code == 0, ended.out + flow.log()
    assert [(flow.folder / name).read_text() for name in ("input", "command", "same")] == [
        "new\nx\n", "old\ny\n", "old\nx\n"], flow.log()
    assert counted(tally) == {"input": 2, "command": 2, "same": 1}
    assert sorted((flow.folder / "mesos_task_state").read_text().split()) == [f"{i},finished" for i in range(1, 5)]


def test_what_has_changed_runs_again(flow, tmp_path):
    """An edited input, an output that was edited by hand, one that was deleted: these are made again, with all that
    depends on them, and --dry-run gives the reasons; lines that only moved are not."""
    tally = tmp_path / "tally"

    def line(name: str, *inputs: str) -> str:
        command = f"echo {name} >> {tally}; cat {' '.join(inputs)} > {name}; echo {name} >> {name}"
        return json.dumps({"command": command, "inputs": inputs, "outputs": [name]}) + "\n"

    lines = [line("a", "in.txt"), line("b", "a"), line("c", "other.txt"), line("d", "c", "e"), line("e", "other.txt")]
    flow.write("other.txt", "o\n")
    flow.write("tasks.jsonl", "".join(lines))
    assert flow.run("tasks.jsonl").code == 0
    flow.write("in.txt", "y\n")
    flow.write("c", "by hand\n")
    (flow.folder / "other.txt").touch()
    flow.write("tasks.jsonl", "".join(reversed(lines)))
    said = flow.run("--dry-run", "tasks.jsonl").out
    for number, why in ((5, "in.txt changed"), (4, "a is made again"), (3, "output c changed"), (2, "c is made again")):
        assert f"(runs again: {why})" in next(x for x in said.splitlines() if x.startswith(f"{number}: ")), said
    assert not [x for x in said.splitlines() if x.startswith("1: ")], said
    ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out
    ended.line_with("c has changed since a task made it", "c.before-rerun")
    assert (flow.folder / "c.before-rerun").read_text() == "by hand\n"
    assert (flow.folder / "b").read_text() == "y\na\nb\n"
    assert (flow.folder / "d").read_text() == "o\nc\no\ne\nd\n"
    assert counted(tally) == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 1}
    assert sorted((flow.folder / "mesos_task_state").read_text().split()) == [f"{i},finished" for i in range(1, 6)]


def test_a_damaged_journal_is_refused(flow):
    """It does not start from the beginning behind the user's back: one line with the file and the cure, and nothing
    runs."""
    flow.write("tasks.info", "1,cat in.txt > o1,in.txt,o1,-1,-1,-1,submitted\n")
    journal = flow.folder / ".mfmesos" / "journal.sqlite"
    journal.parent.mkdir()
    journal.write_bytes(b"SQLite format 3\0" + b"nonsense" * 500)
    ended = flow.run("tasks.info")
    assert ended.code != 0
    assert ended.out.count("journal.sqlite") == 1, ended.out
    assert "move it away" in ended.out, ended.out
    assert not (flow.folder / "o1").exists()
