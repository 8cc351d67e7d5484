"""What the page draws over time: the same sums as in the report, made by the record."""
from __future__ import annotations

import sqlite3

import pytest
from sample_runs import BEGAN, SLOTS, loaded, sample

from mfmesos.store.run_pages import RunPages
from mfmesos.store.run_tables import CLAIM_COLUMNS, FILE, insert
from mfmesos.views import run_sums
from mfmesos.views.over_time import POINTS, over_time


def test_the_same_as_in_the_report(tmp_path, monkeypatch):
    """What was held, allocated and used, by repeated attempts too; the tasks themselves are not read."""
    sample(tmp_path, 300)
    monkeypatch.setattr(run_sums, "POINTS", POINTS)
    facts = loaded(tmp_path)
    expected = run_sums.curves(facts)
    with RunPages(tmp_path / ".mfmesos") as reader:
        run = reader.last()
        reader.every = lambda table, *rest, every=reader.every: iter(()) if table in ("tasks", "attempts") else every(
            table, *rest)
        found = over_time(reader, run, [], 0.0)
    assert found["at"] == expected.at
    for name in ("held_cores", "given_cores", "used_cores"):
        assert found[name] == pytest.approx(getattr(expected, name), abs=0.01)
    for mb, gb in (("held_mb", "held_memory"), ("given_mb", "given_memory"), ("used_mb", "used_memory")):
        assert [value / 1024 for value in found[mb]] == pytest.approx(getattr(expected, gb), abs=0.01)
    assert max(found["given_cores"]) == pytest.approx(3 * SLOTS)


def test_agents_and_claims(tmp_path):
    """An agent with two claims at once counts once, and not while it has none; what runs counts until now."""
    sample(tmp_path, 5, agents=1, state="running")
    with sqlite3.connect(tmp_path / ".mfmesos" / FILE) as db:
        db.execute("DELETE FROM claims")
        db.execute("DELETE FROM tasks")
        for name, agent, opened, ended in (
                ("c1", "a", 0.0, 100.0), ("c2", "a", 50.0, 150.0), ("c3", "a", 200.0, None), ("c4", "b", 60.0, 90.0)):
            db.execute(insert("claims", CLAIM_COLUMNS), (
                1, name, agent, f"host-{agent}", BEGAN + opened, None if ended is None else BEGAN + ended, 1.0, 1.0,
                1.0, "", None))
    db.close()
    with RunPages(tmp_path / ".mfmesos") as reader:
        found = over_time(reader, reader.last(), [(BEGAN + 150.0, 2.0, 1024.0)], BEGAN + POINTS)
    at = [10, 55, 70, 95, 120, 170, 250]
    assert [found["claims"][second] for second in at] == [1, 2, 3, 2, 1, 0, 1]
    assert [found["agents"][second] for second in at] == [1, 1, 2, 1, 1, 0, 1]
    assert [found["given_cores"][second] for second in at] == [0, 0, 0, 0, 0, 2, 2]
    assert [found["given_mb"][second] for second in at] == [0, 0, 0, 0, 0, 1024, 1024]
