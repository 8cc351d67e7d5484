"""record.sqlite: what a run leaves to look at."""
from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from mfmesos.core.actions import CloseClaim, OpenClaim, ReportAttempt, ReportTask
from mfmesos.core.model import Offer, Request, Resources, StagedInput, Task
from mfmesos.core.snapshot import Counts, Snapshot
from mfmesos.shared import wire
from mfmesos.store import run_record, sqlitefile
from mfmesos.store.makers import MOST_NAMES, read, written
from mfmesos.store.run_reading import RunReader
from mfmesos.store.run_record import RunInfo, RunRecord, story_text
from mfmesos.store.run_tables import (
    APPLICATION_ID,
    CLAIM_COLUMNS,
    ENDED,
    RUNNING,
    SAMPLE_COLUMNS,
    STEPS,
    TASK_COLUMNS,
    VERSION,
)

STORY = ((5.0, "waiting", ""), (6.0, "assigned", "c0"), (6.5, "waiting", "lost"), (7.0, "assigned", "c1"),
         (7.5, "running", ""), (9.0, "finished", ""))
INFO = RunInfo("batch", "m:5050", resumed=False)


def ended(
    number: int = 1, finished: bool = True, reason: str = "", story: tuple = STORY, inputs: tuple[str, ...] = ("a",),
    outputs: tuple[str, ...] = (),
) -> ReportTask:
    result = wire.Result(f"{number}.2", wire.FINISHED if finished else wire.FAILED, exit_code=0 if finished else 3,
                         usage=wire.Usage(memory_mb=10, cores=1, wall_s=2, cpu_s=1.5))
    task = Task(number, f"sort a{number} > b{number}", inputs, outputs or (f"b{number}",),
                Request(cores=1, memory_mb=300), "sort")
    return ReportTask(task, finished=finished, reason=reason, exit_code=0,
                      result=result, allocation=Resources(1, 100, 200), attempts=2, claim_id="c1", category="sort",
                      inputs=(StagedInput("a", "0" * 64, 50, 0o644),), limit_memory_mb=100.0, story=story)


def again() -> ReportAttempt:
    return ReportAttempt(ended().task, "1.1", 1, "c0", 6.0, "lost", None, Resources(1, 100, 200))


def recorded(folder: Path, *reports: object, state: str = ENDED, info: RunInfo = INFO,
             counts: Counts | None = None) -> None:
    """A run in the folder, with these ends of tasks, changes of claims, and samples."""
    async def main():
        record = RunRecord(folder, 1000.0, clock=lambda: 1009.0)
        record.begin(info)
        for report in reports:
            if isinstance(report, OpenClaim):
                record.opened(report)
            elif isinstance(report, CloseClaim):
                record.closed(report)
            elif isinstance(report, Snapshot):
                record.sample(report)
            else:
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
    assert all(f"`{name}`" in page for name in (*TASK_COLUMNS, *CLAIM_COLUMNS, *SAMPLE_COLUMNS))
    assert f"PRAGMA user_version is {VERSION} " in page


def test_what_a_task_takes_on_the_disk_is_bounded(tmp_path):
    """Tasks with huge commands, many outputs and long stories take less than 2 kB each."""
    story = tuple((float(i), "waiting", "x" * 1000) for i in range(40))
    huge = [ended(i, story=story, reason="y" * 10_000) for i in range(1, 201)]
    for one in huge:
        one.task.__dict__.update(command="z" * 100_000, inputs=tuple(f"in{i}" for i in range(1000)))
        one.task.__dict__.update(outputs=tuple(f"out{i}" for i in range(10)))
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


def test_what_a_task_asked_for_and_moved(tmp_path):
    """Its request, the sizes of its inputs and of the outputs in the workflow's folder."""
    folder = tmp_path / "flow" / ".mfmesos"
    folder.mkdir(parents=True)
    (tmp_path / "flow/b1").write_bytes(b"x" * 1234)
    recorded(folder, ended())
    (task,) = rows(folder, "SELECT * FROM tasks")
    assert (task["asked_cores"], task["asked_memory_mb"], task["asked_disk_mb"]) == (1.0, 300.0, None)
    assert (task["inputs"], task["input_bytes"], task["output_bytes"]) == ("a", 50, 1234)


def test_which_tasks_made_the_inputs(tmp_path):
    """Also within one batch; first the one that ended last. A failed task makes nothing; names are normalised."""
    recorded(
        tmp_path, ended(2), ended(3), ended(4, finished=False), ended(1),
        ended(9, inputs=("b1", "./b2", "b3", "b4", "foreign")), ended(10))
    needs = {row["task"]: row["needs"] for row in rows(tmp_path, "SELECT task, needs FROM tasks")}
    assert needs == {1: "", 2: "", 3: "", 4: "", 9: "3 1-2", 10: ""}
    assert list(read(needs[9])) == [3, 1, 2]


def test_a_task_is_found_by_any_of_its_outputs(tmp_path):
    """Also by one whose name did not fit into its row."""
    folder = tmp_path / ".mfmesos"
    folder.mkdir()
    recorded(folder, ended(7, outputs=tuple(f"a-rather-long-name-of-an-output-{i}" for i in range(100))))
    with RunReader(folder) as reader:
        assert reader.find("./a-rather-long-name-of-an-output-50") == (True, [7])


def test_many_makers_are_bounded(tmp_path):
    """A long list loses its end; of a task with very many inputs only the first are looked at."""
    text = written([7, *range(2, 200, 2)], 60)
    assert len(text) <= 60
    assert text.startswith("7 2 4 6")
    assert text.endswith(" …")
    assert list(read(text))[:4] == [7, 2, 4, 6]
    assert written([], 60) == ""
    assert written([5, 1, 2, 3, 8], 60) == "5 1-3 8"
    many = tuple(f"in{i}" for i in range(2 * MOST_NAMES))
    recorded(tmp_path, ended(1, outputs=many), ended(2, inputs=many[::-1]))
    assert rows(tmp_path, "SELECT needs FROM tasks WHERE task = 2") == [{"needs": "1"}]


def test_claims_and_what_the_run_held(tmp_path):
    """A row for each claim with its agent, and a sample when what is held has changed."""
    offer = Offer("o", "agent1", "host1", Resources(4, 4000, 0))
    held = Snapshot("", 5, 2, 1, Resources(2, 100, 0), 1)
    recorded(tmp_path, OpenClaim("c1", (offer,), "agent1", Resources(2, 100, 0, 1), 96.0), held, held,
             CloseClaim("c1", True))
    (claim,) = rows(tmp_path, "SELECT * FROM claims")
    assert claim["gpus_isolated"] == 1
    assert (claim["agent"], claim["host"], claim["cores"], claim["others"]) == ("agent1", "host1", 2.0, "gpus:1")
    assert claim["opened"] == claim["ended"] == 1009.0
    (sample,) = rows(tmp_path, "SELECT * FROM samples")
    assert (sample["claims"], sample["cores"], sample["running"], sample["waiting"]) == (1, 2.0, 2, 3)


@pytest.mark.parametrize("version", range(1, len(STEPS)))
def test_a_record_of_an_earlier_version_is_continued(tmp_path, version):
    """Its rows stay; what they lack is NULL."""
    db = sqlite3.connect(tmp_path / "record.sqlite", isolation_level=None)
    for step in STEPS[:version]:
        step(db)
    sqlitefile.mark(db, APPLICATION_ID, version)
    db.execute("INSERT INTO runs (run, state) VALUES (1, 'ended')")
    db.execute("INSERT INTO tasks (run, task, state) VALUES (1, 5, 'finished')")
    db.close()
    recorded(tmp_path, ended())
    assert [(row["run"], row["task"], row["needs"]) for row in rows(tmp_path, "SELECT * FROM tasks")] == [
        (1, 5, None), (2, 1, "")]
