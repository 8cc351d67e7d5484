"""What earlier versions wrote is read by this one: tests/store/versions holds files of each."""
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mfmesos.store.finished import FinishedTasks
from mfmesos.store.history import History
from mfmesos.store.journal import Journal

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
