"""The bench's own arithmetic: ratios and verdicts (what it measures is not run here)."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import bench


def test_ratios_are_held_against_their_targets():
    """mfmesos over Work Queue and over -T local, each with its target and verdict."""
    rows = {row.name.strip(): row for row in bench.rows({"local_s": 4.0, "wq_s": 10.0, "mfmesos_s": 4.0})}
    assert (rows["mfmesos / wq"].value, rows["mfmesos / wq"].verdict) == (0.4, "MISSED")
    assert (rows["mfmesos / local"].value, rows["mfmesos / local"].verdict) == (1.0, "met")


def test_a_busy_machine_has_rows_of_its_own():
    """With the same targets, and nothing of the idle one's in them."""
    rows = {row.name.strip(): row for row in bench.rows({"wq_s": 1.0, "busy_wq_s": 10.0, "busy_mfmesos_s": 3.0})}
    assert (rows["mfmesos / wq, busy"].value, rows["mfmesos / wq, busy"].verdict) == (0.3, "met")
    assert "mfmesos / wq" not in rows


def test_what_was_not_measured_is_not_in_the_table():
    """--only shows its own rows; a ratio needs both of its values."""
    assert [row.name for row in bench.rows({"mfmesos_s": 4.0, "chain_s": 2.0})] == [
        "1000 rules, mfmesos makeflow, real Mesos", "chain of 20 rules, mfmesos makeflow"]


def test_the_table_has_value_target_and_verdict_on_a_line():
    """One line a row, readable without the code."""
    line = bench.table([bench.Row("latency", 12.345, "ms", 30)]).splitlines()[-1]
    assert line.split() == ["latency", "12.35", "ms", "30", "ms", "met"]
