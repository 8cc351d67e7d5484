"""What earlier versions wrote is read by this one: tests/store/versions holds files of each."""
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mfmesos.core.attempt_record import Attempt
from mfmesos.store import sqlitefile
from mfmesos.store.finished import FinishedTasks
from mfmesos.store.history import History
from mfmesos.store.journal import SCHEMA_VERSION, Journal

VERSIONS = sorted(p for p in (Path(__file__).parent / "versions").iterdir() if p.is_dir() and p.name[0].isdigit())
ENOUGH = 8
"""The tasks of the sweep that had ended when that version was killed, at least."""


@pytest.fixture(params=VERSIONS, ids=lambda p: p.name)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with one version's files, as that version left them."""
    for file in request.param.glob("*.sql"):
        with sqlite3.connect(tmp_path / f"{file.stem}.sqlite") as db:
            db.executescript(file.read_text())
        db.close()
    return tmp_path


def test_a_journal_is_resumed(kept: Path):
    """The same run finds what was running, with claims that exist; nothing is thrown away."""
    journal = Journal(kept / "journal.sqlite", "batch tasks.jsonl")
    assert journal.resumed
    assert len(journal.secret) == 32
    tasks, claims = journal.load()
    assert claims
    assert all(claim.resources.cores > 0 and claim.hostname for claim in claims)
    assert tasks
    for saved in tasks:
        assert saved.task.command.startswith("python3 simulate.py")
        assert [name.startswith("points/") for name in saved.task.outputs] == [True]
        assert [staged.name for staged in saved.inputs] == ["simulate.py"]
        assert saved.claim_id in {claim.id for claim in claims}
        assert saved.task.request.memory_mb == 200
    journal.close()


@pytest.fixture(params=sorted((Path(__file__).parent / "versions").glob("journal-*")), ids=lambda p: p.name)
def mixed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A journal of one schema with tasks in every state, see versions/keep_mixed.py."""
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript((request.param / "mixed.sql").read_text())
    db.close()
    return path


def test_tasks_in_every_state_are_taken_up(mixed: Path):
    """A finished task with its temporary output, tasks that run, one of them alone, and one that waits to run again
    alone: each with its attempts, failures, inputs and what it was given. The same again when the file is opened a
    second time."""
    journal = Journal(mixed, "batch tasks.jsonl")
    tasks, claims = journal.load()
    journal.close()
    again = Journal(mixed, "batch tasks.jsonl")
    assert (again.load(), sqlitefile.pragma(again._db, "user_version")) == ((tasks, claims), SCHEMA_VERSION)
    again.close()
    assert [t.task.id for t in tasks] == [1, 2, 3, 4, 5]
    maker, reader, deadly, waits, _ = tasks
    assert (maker.finished, [m.file.name for m in maker.made]) == (True, ["made"])
    assert (reader.temporaries, [i.temporary for i in reader.inputs]) == (("made",), [True])
    assert maker.made[0].file == reader.inputs[0]
    assert (deadly.solo, deadly.attempts, deadly.task.env, deadly.task.outputs) == (True, 2, {"A": "b"}, ("three é",))
    assert (waits.solo, waits.attempts, waits.own_failures, waits.claim_id) == (True, 2, 1, "")
    assert [claim.solo_task for claim in claims if claim.id == deadly.claim_id] == [3]
    assert {t.claim_id for t in tasks if t.claim_id and not t.finished} <= {claim.id for claim in claims}
    for one in tasks:
        assert one.stem.startswith(f"{one.task.id}.")
        assert one.task.request.cores == 0.5
        assert (one.allocation.cores, one.allocation.memory_mb) == (0.5, 50.0)
        assert one.finished or [i.name for i in one.inputs] == list(one.task.inputs)


FIRST_COLUMNS = (
    "ended_at, category, outcome, workflow, signature, context, input_mb, requested_cores, requested_memory_mb, "
    "requested_disk_mb, allocated_cores, allocated_memory_mb, allocated_disk_mb, measured_cores, measured_memory_mb, "
    "measured_disk_mb, wall_s, cpu_s, exit_code, host")
"""All that the first edition reads and writes, by name."""


def test_editions_share_a_history(kept: Path):
    """The first edition's file: this one adds to it, then the first edition's own statements still read and write it,
    and this one reads those. So no later edition may raise its version, or add a column that must have a value."""
    path = kept / "history.sqlite"
    new = Attempt(1e9, "new", "finished", measured_memory_mb=5.0)
    with History(path, clock=lambda: 2e9) as history:
        assert history.add([new]) == 1
    with sqlite3.connect(path) as db:
        assert sqlitefile.pragma(db, "user_version") == 1
        assert db.execute(f"SELECT {FIRST_COLUMNS} FROM attempts WHERE category = 'new'").fetchone()[:3] == (
            1e9, "new", "finished")
        db.execute(f"INSERT INTO attempts ({FIRST_COLUMNS}) VALUES ({', '.join('?' * 20)})",
                   (1e9 + 1, "old", "finished", "w", "s", "c", *[1.0] * 12, 0, "h"))
    db.close()
    with History(path, clock=lambda: 2e9) as history:
        (old,) = history.load(category="old")
        assert (old.ended_at, old.exit_code, old.host) == (1e9 + 1, 0, "h")
        assert history.load(category="new") == [new]


def test_a_history_is_learned_from(kept: Path):
    """Every attempt counts, with what it used."""
    with History(kept / "history.sqlite", clock=lambda: 2e9) as history:
        attempts = history.load()
        assert history.dropped == 0
    assert len(attempts) >= ENOUGH
    for attempt in attempts:
        assert (attempt.category, attempt.outcome, attempt.allocated_memory_mb) == ("simulate", "finished", 200)
        assert attempt.measured_memory_mb is not None
        assert 0 < attempt.measured_memory_mb < 200
        assert attempt.wall_s is not None
        assert attempt.wall_s > 0


def test_finished_tasks_are_known(kept: Path):
    """Each with the digests of its command, inputs and outputs, so that it does not run again."""
    finished = FinishedTasks(kept / "run.sqlite")
    rows = finished.load()
    finished.close()
    assert len(rows) >= ENOUGH
    for row in rows.values():
        assert len(row.command) == 64
        assert row.attempt
        assert [(seen.name, bool(seen.stamp)) for seen in row.inputs] == [("simulate.py", True)]
        assert [seen.name.startswith("points/") and seen.size > 0 for seen in row.outputs] == [True]
