"""What people see and what programs read of a run: progress, report.jsonl, kept output, the table of categories."""
from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mfmesos.core.actions import ReportTask
from mfmesos.core.model import Resources, Task
from mfmesos.core.snapshot import Transfers
from mfmesos.estimates.category import category_of
from mfmesos.shared import wire
from mfmesos.shared.phrases import duration, size
from mfmesos.shared.resources import named
from mfmesos.store.run_totals import RunTotals
from mfmesos.store.runlog import RunLog, more_of_it, read_report
from mfmesos.views.progress import Counts, LiveProgress, PlainProgress, describe, progress
from mfmesos.views.summary import moved, show


def ended(task_id: int = 1, **more) -> ReportTask:
    result = wire.Result(f"{task_id}.1", wire.FAILED, "exit code 3", 3, stdout="out", stderr="err",
                         usage=wire.Usage(memory_mb=10 * task_id, cores=1, wall_s=2))
    return ReportTask(Task(task_id, "sort a > b", ("a",), ("b",)), finished=False, reason="exit code 3", exit_code=3,
                      result=result, allocation=Resources(1, 100, 200), attempts=2, claim_id="c",
                      category="sort", **more)


def test_a_line_of_progress_says_it_all():
    """Done, failed, running, waiting, rate and the time left."""
    text = describe(Counts(total=40, waiting=20, running=8, finished=10, failed=2), 6.0)
    assert text == "12/40 done (2 failed), 8 running, 20 waiting, 14 s left, 6.0 s, 2.0/s"


def test_rate_and_time_are_those_of_this_run():
    """What earlier runs have finished counts in neither."""
    text = describe(Counts(total=40, waiting=20, running=8, finished=12, before=9), 6.0)
    assert text == "12/40 done, 8 running, 20 waiting, 56 s left, 6.0 s, 0.5/s"
    assert describe(Counts(total=40, waiting=31, finished=9, before=9), 6.0) == (
        "9/40 done, 0 running, 31 waiting, 6.0 s")


def test_progress_says_what_tasks_wait_for():
    """Inputs of other tasks, and what keeps the others; what does not fit is left out, the least important first."""
    counts = Counts(total=4000, waiting=2500, running=888, finished=500, failed=100, withdrawn=12, left_s=12345.0,
                    for_inputs=1200, waits_for="cluster")
    full = describe(counts, 7200.0, 200)
    assert full == ("600/4000 done (100 failed, 12 withdrawn), 888 running, 2500 waiting (1200 inputs, 1300 cluster), "
                    "3 h 25 min left, 2 h 0 min, 0.1/s")
    assert describe(counts, 7200.0, 80) == (
        "600/4000 done (100 failed, 12 withdrawn), 888 running, 2500 waiting, 2 h 0 min")
    assert describe(counts, 7200.0, 86).endswith("2500 waiting (1300 cluster)")
    counts = Counts(total=4000, waiting=2500, running=888, finished=600, for_inputs=1200, waits_for="room")
    assert describe(counts, 7200.0, 62) == "600/4000 done, 888 running, 2500 waiting (1300 room), 0.1/s"


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (200, "3 min 20 s"),
                                               (7500, "2 h 5 min")])
def test_durations(seconds, text):
    """Short times with a decimal, long ones in minutes and hours."""
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [
    (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (9_949, "9.9 kB"), (9_960, "10 kB"),
    (999_499, "999 kB"), (999_600, "1.0 MB"), (31_500_000, "32 MB"), (2_500_000_000, "2.5 GB"),
    (5 * 10**12, "5000 GB")])
def test_sizes(number, text):
    """Small amounts with a decimal, in powers of 1000."""
    assert size(number) == text


@pytest.mark.parametrize(("transfers", "lines"), [
    (Transfers(), []),
    (Transfers((3, 10**7), (1, 10**6)), [
        "temporary outputs: 2 (9.0 MB) stayed on the agents, 1 (1.0 MB) passed through this machine for tasks "
        "elsewhere"]),
    (Transfers((1, 10), (0, 0), 2), [
        "temporary outputs: 1 (10 bytes) stayed on the agents, 0 (0 bytes) passed through this machine for tasks "
        "elsewhere; 2 tasks ran again to make them again"]),
    (Transfers(sent_bytes=5000, from_peers_bytes=70_000_000), [
        "inputs: 70 MB came from other agents, 5.0 kB from this machine"]),
    (Transfers(sent_bytes=5000, from_peers_bytes=0), [
        "inputs: none came from another agent, 5.0 kB from this machine; if agents share large inputs, see whether "
        "they can connect to each other (docs/operators.md)"])])
def test_what_was_moved(transfers, lines):
    """Only where there is something to say."""
    assert list(moved(transfers)) == lines


def test_plain_progress_is_sparing():
    """Without a terminal: a line when something changed, at most every 10 s, and the last state at the end."""
    said, now = [], [0.0]
    plain = PlainProgress(said.append, lambda: now[0], lambda: "12:34:56")
    plain.update(Counts(total=2, waiting=2))
    now[0] = 11
    plain.update(Counts(total=2, waiting=1, running=1))
    plain.update(Counts(total=2, finished=2))
    assert len(said) == 1
    plain.note("a note")
    plain.close()
    assert said[1:] == ["mfmesos: a note", "mfmesos: 12:34:56 2/2 done, 0 running, 0 waiting, 11 s, 0.2/s"]


def test_plain_progress_is_never_silent_for_long():
    """While tasks run or wait a line comes every minute, though nothing changes; with nothing to do, none."""
    said, now = [], [0.0]
    plain = PlainProgress(said.append, lambda: now[0], lambda: "12:34:56")
    for second in range(0, 601, 5):
        now[0] = float(second)
        plain.update(Counts(total=2, waiting=1, running=1))
    assert len(said) == 10
    del said[:]
    for second in range(601, 1200, 5):
        now[0] = float(second)
        plain.update(Counts(total=2, finished=2))
    assert len(said) == 1


def test_live_progress_draws_every_state(monkeypatch, capsys):
    """The bar is as wide as its window and holds a cell for each state that there is."""
    monkeypatch.setenv("COLUMNS", "120")
    live = LiveProgress()
    live.update(Counts(total=1000, waiting=997, running=1, finished=1, failed=1))
    bar = live._render()
    live.note("[not markup] stays")
    live.close()
    assert bar.plain.count("━") == 40
    assert len(bar.plain) <= 120
    assert {str(span.style) for span in bar.spans} >= {"green", "red", "yellow", "bright_black"}
    assert "[not markup] stays" in capsys.readouterr().err


def test_progress_is_plain_where_there_is_no_terminal(monkeypatch):
    """Under pytest stderr is no terminal; a dumb one cannot redraw a line."""
    assert isinstance(progress(), PlainProgress)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for term in ("dumb", None):
        monkeypatch.setenv("TERM", term) if term else monkeypatch.delenv("TERM")
        assert isinstance(progress(), PlainProgress)


def test_the_report_has_a_line_for_each_task(tmp_path):
    """report.jsonl: every key that is documented; a half-written last line is left out when it is read."""
    log = RunLog(tmp_path / "s", clock=lambda: 5.0)
    log.task_ended(ended(), "host1")
    log.close()
    with (tmp_path / "s" / "report.jsonl").open("a") as f:
        f.write('{"task": 2, "fini')
    (entry,) = read_report(tmp_path / "s")
    assert entry == json.loads(json.dumps({
        "format": 1, "time": 5.0, "task": 1, "command": "sort a > b", "category": "sort", "finished": False,
        "withdrawn": False, "reason": "exit code 3", "exit_code": 3, "outputs": ["b"],
        "usage": {"memory_mb": 10, "disk_mb": 0.0, "cores": 1, "cpu_s": 0.0, "wall_s": 2, "wait_s": 0.0},
        "allocation": {"cores": 1, "memory_mb": 100, "disk_mb": 200}, "host": "host1", "attempts": 2}))
    page = (Path(__file__).parents[2] / "docs" / "seeing.md").read_text()
    assert all(f"`{key}`" in page for key in (*entry, *entry["usage"], *entry["allocation"]))
    assert (tmp_path / "s" / "logs" / "task-1.stdout").read_text() == "out"
    assert (tmp_path / "s" / "logs" / "task-1.stderr").read_text() == "err"


def test_the_report_names_gpus_and_other_resources(tmp_path):
    """Where the task was given any, by Mesos's names."""
    log = RunLog(tmp_path / "s", clock=lambda: 5.0)
    log.task_ended(replace(ended(), allocation=Resources(1, 100, 200, 2, named({"licences": 3}))), "host1")
    log.close()
    (entry,) = read_report(tmp_path / "s")
    given = {"cores": 1, "memory_mb": 100, "disk_mb": 200}
    assert entry["allocation"] == {**given, "gpus": 2, "resources": {"licences": 3}}


def test_output_is_not_kept_when_not_wanted(tmp_path):
    """keep_output=False leaves no logs folder."""
    log = RunLog(tmp_path / "s", keep_output=False)
    log.task_ended(ended(), "")
    log.close()
    assert not (tmp_path / "s" / "logs").exists()


def test_a_failure_says_where_the_rest_of_its_stderr_is(tmp_path):
    """One line of stderr is in the reason already; of more the file is named."""
    report = ended()
    assert more_of_it(report, tmp_path) == ""
    report.result.stderr = "one\ntwo\n"
    assert str(tmp_path / "logs" / "task-1.stderr") in more_of_it(report, tmp_path)


def test_the_table_sums_by_category(tmp_path, capsys):
    """Finished, failed, peak and median memory, cores and time of each category."""
    log = RunLog(tmp_path / "s")
    totals = RunTotals()
    for number in (1, 2, 6):
        totals.add(log.task_ended(ended(number), ""))
    log.close()
    assert totals.by_category() == [("sort", 0, 3, 60, 20, 1, 6)]
    show(totals.by_category())
    assert "60 MB" in capsys.readouterr().err


def test_what_never_ran_is_not_in_the_table(tmp_path, capsys):
    """A run that was interrupted before anything started shows no table at all."""
    log = RunLog(tmp_path / "s")
    never = replace(ended(), withdrawn=True, result=None)
    totals = RunTotals()
    totals.add(log.task_ended(never, ""))
    log.close()
    assert totals.by_category() == []
    assert len(totals) == 1
    show(totals.by_category())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("command", "category"), [
    ("blastn -query a -db b > c", "blastn -db -query"), ("./bin/sim 3 > o", "sim"), ("X=1 Y='a b' prog a", "prog"),
    ("python3 gather.py a b", "gather.py"), ("cd d && make", "make"), ("", "task"), ("python3", "python3"),
    ("'my tool' -x", "my tool -x"), ("nice -n 5 sort f", "sort"),
])
def test_the_category_of_a_command(command, category):
    """The program and its flags; interpreters, assignments and what only prepares are passed over."""
    assert category_of(Task(1, command)) == category


def test_a_given_category_wins():
    """A category that the user names is not guessed."""
    assert category_of(Task(1, "sort x", category="merge")) == "merge"


def test_half_a_line_of_a_killed_writer_spoils_no_other(tmp_path):
    """The next scheduler takes it away before it writes its own; every line is one JSON object then."""
    (tmp_path / "report.jsonl").write_bytes(b'{"task": 1}\n{"task": 2, "usage": {"cor')
    log = RunLog(tmp_path)
    log.task_ended(ended(), "host1")
    log.close()
    entries = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert len(entries) == 2
    assert entries[0] == {"task": 1}


def test_a_full_disk_loses_no_line(tmp_path, monkeypatch):
    """A line that cannot be written waits for the next one; nothing is raised, and half a line is completed."""
    log = RunLog(tmp_path / "s")
    real, left = os.write, [10]

    def full(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(fd, data[: left[0]])
        left[0] -= done
        return done

    monkeypatch.setattr("mfmesos.store.runlog.os.write", full)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: full(-1, b"x"))
    report = ReportTask(Task(1, "false"), finished=False, result=wire.Result("1.1", "failed", stdout="out"))
    log.task_ended(report, "")
    assert len((tmp_path / "s" / "report.jsonl").read_bytes()) == 10
    monkeypatch.undo()
    log.task_ended(report, "")
    log.close()
    assert [e["task"] for e in read_report(tmp_path / "s")] == [1, 1]


def test_many_lines_at_once_are_written_in_one_go(tmp_path, monkeypatch):
    """When a run of 100,000 waiting tasks is stopped, their lines are gathered in place: none is copied with
    each further one."""
    log, writes = RunLog(tmp_path / "s", keep_output=False), []
    real = os.write
    monkeypatch.setattr("mfmesos.store.runlog.os.write", lambda fd, data: writes.append(len(data)) or real(fd, data))
    report = ReportTask(Task(1, "false"), finished=False, withdrawn=True)
    with log.batch():
        waiting = log._waiting
        for _ in range(1000):
            log.task_ended(report, "")
        assert log._waiting is waiting
    log.close()
    assert len(writes) == 1
    assert len(read_report(tmp_path / "s")) == 1000
