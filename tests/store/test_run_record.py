"""record.sqlite: what a run leaves to look at."""
from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from mfmesos.core.actions import ReportAttempt, ReportTask
from mfmesos.core.model import Request, Resources, StagedInput, Task
from mfmesos.core.snapshot import Counts
from mfmesos.shared import wire
from mfmesos.store import run_record
from mfmesos.store.run_record import ENDED, RUNNING, RunInfo, RunRecord, story_text
from mfmesos.store.run_tables import APPLICATION_ID, TASK_COLUMNS, VERSION

STORY = ((5.0, "waiting", ""), (6.0, "assigned", "c0"), (6.5, "waiting", "lost"), (7.0, "assigned", "c1"),
         (7.5, "running", ""), (9.0, "finished", ""))
INFO = RunInfo("batch", "m:5050", resumed=False)


def ended(number: int = 1, finished: bool = True, reason: str = "", story: tuple = STORY) -> ReportTask:
    result = wire.Result(f"{number}.2", wire.FINISHED if finished else wire.FAILED, exit_code=0 if finished else 3,
                         usage=wire.Usage(memory_mb=10, cores=1, wall_s=2, cpu_s=1.5))
    task = Task(number, f"sort a{number} > b{number}", ("a",), (f"b{number}",), Request(), "sort")
    return ReportTask(task, finished=finished, reason=reason, exit_code=0,
                      result=result, allocation=Resources(1, 100, 200), attempts=2, claim_id="c1", category="sort",
                      inputs=(StagedInput("a", "0" * 64, 50, 0o644),), limit_memory_mb=100.0, story=story)


def again() -> ReportAttempt:
    return ReportAttempt(ended().task, "1.1", 1, "c0", 6.0, "lost", None, Resources(1, 100, 200))


def recorded(folder: Path, *reports: ReportTask | ReportAttempt, state: str = ENDED, info: RunInfo = INFO,
             counts: Counts | None = None) -> None:
    """A run in the folder, with these ends."""
    async def main():
        record = RunRecord(folder, 1000.0, clock=lambda: 1009.0)
        record.begin(info)
        for report in reports:
            record.ended(report, "host1")
        record.count(counts or Counts(), 77)
        await record.close(state)

    asyncio.run(main())


def rows(folder: Path, query: str) -> list[dict]:
    db = sqlite3.connect(folder / "record.sqlite")
    db.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in db.execute(query)]
    finally:
        db.close()


def test_a_task_its_attempts_and_its_story(tmp_path):
    """One row for the task with its last attempt, one for the attempt before; times are of the calendar."""
    recorded(tmp_path, again(), ended(), counts=Counts(total=3, finished=1, failed=1, before=1))
    (run,) = rows(tmp_path, "SELECT * FROM runs")
    assert (run["state"], run["total"], run["finished"], run["before"], run["sent_bytes"]) == ("ended", 3, 1, 1, 77)
    (task,) = rows(tmp_path, "SELECT * FROM tasks")
    assert task["story"].splitlines() == [
        "0.00 waiting", "1.00 assigned c0", "1.50 waiting lost", "2.00 assigned c1", "2.50 running", "4.00 finished"]
    assert (task["submitted"], task["started"], task["ended"]) == (1005.0, 1007.0, 1009.0)
    assert (task["state"], task["host"], task["outputs"], task["input_bytes"]) == ("finished", "host1", "b1", 50)
    assert (task["used_memory_mb"], task["limit_memory_mb"], task["cpu_s"]) == (10.0, 100.0, 1.5)
    (attempt,) = rows(tmp_path, "SELECT * FROM attempts")
    assert (attempt["attempt"], attempt["reason"], attempt["started"], attempt["wall_s"]) == (1, "lost", 1006.0, 0.0)


def test_every_run_has_its_own_rows(tmp_path):
    """Another run of the folder gets the next number; one that resumes a crashed run continues its row."""
    recorded(tmp_path, ended(1), state=RUNNING)
    recorded(tmp_path, ended(2), info=RunInfo("batch", "m:5050", resumed=True))
    recorded(tmp_path, ended(1, finished=False))
    assert [(r["run"], r["task"], r["state"]) for r in rows(tmp_path, "SELECT run, task, state FROM tasks")] == [
        (1, 1, "finished"), (1, 2, "finished"), (2, 1, "failed")]
    assert [r["state"] for r in rows(tmp_path, "SELECT state FROM runs ORDER BY run")] == ["ended", "ended"]


def test_the_file_says_what_it_is(tmp_path):
    """Private, with an application id and a version; the tables have the documented columns."""
    recorded(tmp_path, ended())
    assert (tmp_path / "record.sqlite").stat().st_mode & 0o777 == 0o600
    assert rows(tmp_path, "PRAGMA application_id") == [{"application_id": APPLICATION_ID}]
    assert rows(tmp_path, "PRAGMA user_version") == [{"user_version": VERSION}]
    assert tuple(r["name"] for r in rows(tmp_path, "PRAGMA table_info(tasks)")) == TASK_COLUMNS
    page = (Path(__file__).parents[2] / "docs" / "seeing.md").read_text()
    assert all(f"`{name}`" in page for name in TASK_COLUMNS)


def test_what_a_task_takes_on_the_disk_is_bounded(tmp_path):
    """Tasks with huge commands, many outputs and long stories take less than 2 kB each."""
    story = tuple((float(i), "waiting", "x" * 1000) for i in range(40))
    huge = [ended(i, story=story, reason="y" * 10_000) for i in range(1, 201)]
    for one in huge:
        one.task.__dict__.update(command="z" * 100_000, outputs=tuple(f"out{i}" for i in range(1000)))
    recorded(tmp_path, *huge)
    assert (tmp_path / "record.sqlite").stat().st_size < 200 * 2048 + 50_000


def test_old_runs_are_removed(tmp_path, monkeypatch):
    """When a run begins, the oldest beyond the bounds go; the last one stays, however large."""
    monkeypatch.setattr(run_record, "MOST_TASKS", 3)
    for _ in range(3):
        recorded(tmp_path, ended(1), ended(2))
    assert [r["run"] for r in rows(tmp_path, "SELECT DISTINCT run FROM tasks")] == [2, 3]


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"x"])
def test_a_file_that_cannot_be_used_is_left_alone(tmp_path, content):
    """The run goes on without a record; nobody's file is overwritten."""
    (tmp_path / "record.sqlite").write_bytes(content)
    recorded(tmp_path, ended())
    assert (tmp_path / "record.sqlite").read_bytes() == content


def test_a_long_story_loses_its_middle():
    """Beginning and end stay."""
    text = story_text([(float(i), "waiting", f"reason {i} " + "x" * 50) for i in range(40)])
    assert len(text) <= run_record.STORY
    assert text.startswith("0.00 waiting")
    assert "39.00 waiting" in text
