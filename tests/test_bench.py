"""The bench: its rows, its table, and one row from end to end. What it measures is not judged here."""
from __future__ import annotations

import dataclasses
import json
import math
import sys
import tempfile
import time
from pathlib import Path

import pytest
from clusters import why_no_real_mesos
from support import need

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import executors
from rows import Bench, Figure, NotHere, Row, Values, ratio, value
from table import Result, amount, as_json, line, markdown

import bench

MACHINE = {"cpu": "one", "cores": "2"}


def row(*figures: Figure, name: str = "a-row") -> Row:
    return Row(name, "some work", "a peer", figures, lambda _: {})


def measured(*figures: Figure, rounds: list[Values], **more: object) -> Result:
    return Result(row(*figures), rounds, **more)  # type: ignore[arg-type]


# --- figures --------------------------------------------------------------------------------------------
def test_a_ratio_is_made_within_each_round_and_held_against_its_bar():
    """A slow round hits both sides: the median is that of the rounds' ratios, not the ratio of the medians."""
    figure = ratio("ours / theirs", "ours_s", "theirs_s", at_most=0.5)
    found = line(figure, [
        {"ours_s": 4, "theirs_s": 10}, {"ours_s": 30, "theirs_s": 50}, {"ours_s": 4, "theirs_s": 8}])
    assert (found.median, found.low, found.high, found.verdict) == (0.5, 0.4, 0.6, "met")


def test_a_bar_is_an_upper_or_a_lower_limit_or_missing():
    """Each has its own verdict, on either side of the limit."""
    upper, lower = value("time", "t_s", "s", at_most=1), value("speed", "v", "", at_least=2)
    assert [upper.verdict(1.0), upper.verdict(1.01)] == ["met", "NOT MET"]
    assert [lower.verdict(2.0), lower.verdict(1.99)] == ["met", "NOT MET"]
    assert value("time", "t_s", "s").verdict(7) == "reported"
    assert [upper.bar, lower.bar] == ["at most 1 s", "at least 2"]


def test_what_the_disk_does_not_count_is_unknown():
    """A ratio over zero bytes is neither met nor missed."""
    found = line(ratio("bytes", "ours_mb", "local_mb", at_most=1.2), [{"ours_mb": 5, "local_mb": 0}])
    assert math.isnan(found.median)
    assert found.verdict == "unknown"


def test_numbers_have_three_digits():
    """Small ones keep theirs, large ones lose what means nothing."""
    assert [amount(n) for n in (0.456, 12.34, 1234.5, math.nan)] == ["0.46", "12.3", "1,234", "?"]


# --- the table ------------------------------------------------------------------------------------------
def test_a_line_of_the_table_has_figure_spread_bar_and_verdict():
    """And what it was computed from is below, with the machine."""
    text = markdown([measured(
        ratio("ours / theirs", "ours_s", "theirs_s", at_most=1.0),
        rounds=[{"ours_s": 1.0, "theirs_s": 2.0}, {"ours_s": 1.5, "theirs_s": 2.0}])], MACHINE)
    assert "| some work | a peer | ours / theirs | 0.62 | 0.50 to 0.75 | at most 1 | met |" in text.splitlines()
    assert "- `a-row` (2 rounds): ours 1.25 s (1.00 to 1.50), theirs 2.00 s (2.00 to 2.00)" in text.splitlines()
    assert "Machine: cpu one; cores 2" in text.splitlines()


def test_further_figures_of_a_row_have_lines_of_their_own():
    """The row's name stands once."""
    text = markdown([measured(
        value("time", "t_s", "s", at_most=1.0), value("size", "n_mb", "MB"),
        rounds=[{"t_s": 2.0, "n_mb": 3.0}])], MACHINE)
    assert "| some work | a peer | time | 2.00 s | | at most 1 s | NOT MET |" in text.splitlines()
    assert "| | | size | 3.00 MB | | | reported |" in text.splitlines()


def test_a_row_that_was_not_measured_says_why_beside_its_bar():
    """It is neither missing nor met."""
    text = markdown([measured(
        value("time", "t_s", "s", at_most=1.0), rounds=[], problem="no slurm", here=False)], MACHINE)
    assert "| some work | a peer | not measured: no slurm | | | at most 1 s | |" in text.splitlines()


def test_figures_under_load_are_marked():
    """Others used the machine before one of the rounds."""
    text = markdown([measured(value("time", "t_s", "s"), rounds=[{"t_s": 2.0}], others=[0.1, 1.4])], MACHINE)
    assert "| some work \\* | a peer | time | 2.00 s | | | reported |" in text.splitlines()
    assert "\\* Measured under load" in text


def test_the_json_holds_all_rounds_and_each_bar():
    """What is unknown is null."""
    result = measured(ratio("bytes", "ours_mb", "local_mb", at_most=1.2), rounds=[{"ours_mb": 5, "local_mb": 0}])
    data = json.loads(json.dumps(as_json([result], MACHINE), allow_nan=False))
    assert data["rows"][0]["rounds"] == [{"ours_mb": 5, "local_mb": 0}]
    assert data["rows"][0]["figures"][0] == {
        "what": "bytes", "unit": "", "median": None, "low": None, "high": None, "at_most": 1.2, "at_least": None,
        "verdict": "unknown"}


# --- rows -----------------------------------------------------------------------------------------------
NO_BAR = {"slurm"}
"""Issue: reported, no bar."""


def test_every_row_is_listed_with_its_bars(capsys):
    """--list names each row once, with what it is compared with."""
    assert bench.main(["--list"]) == 0
    text = capsys.readouterr().out
    for one in bench.ROWS.values():
        assert f"{one.name} (rounds: {one.rounds})" in text
        assert one.against in text
        assert one.name in NO_BAR or any(figure.bar for figure in one.figures), one.name


def test_an_unknown_row_is_refused_with_the_names_that_exist(capsys):
    """Before anything is started."""
    with pytest.raises(SystemExit):
        bench.main(["rules-17"])
    assert "no row rules-17; there are " in capsys.readouterr().err


def test_rows_are_repeated_while_time_lasts():
    """A round that would end too late does not begin, and the table says so: the first by what the row says of itself,
    others by how long the last one took."""
    turns = []
    one = Row("a", "", "", (), lambda b: turns.append(b.turn) or {}, rounds=3)
    shared = Bench()
    try:
        assert [len(r.rounds) for r in bench.measure([one], shared, None, math.inf)] == [3]
        assert turns == [0, 1, 2]
        soon = time.monotonic() + 3600
        [late] = bench.measure([dataclasses.replace(one, takes_s=7200)], shared, None, soon)
        assert (late.rounds, late.problem) == ([], "no time for a round")
        [quick] = bench.measure([dataclasses.replace(one, takes_s=60)], shared, None, soon)
        assert len(quick.rounds) == 3
    finally:
        shared.close()
    assert not shared.folder.exists()


def test_a_row_that_this_machine_cannot_measure_is_tried_once():
    """And is no error."""
    def measure(_: Bench) -> Values:
        raise NotHere("no slurm")

    shared = Bench()
    try:
        [result] = bench.measure([Row("a", "", "", (), measure)], shared, None, math.inf)
    finally:
        shared.close()
    assert (result.here, result.problem, len(result.seconds)) == (False, "no slurm", 1)


def test_without_slurm_its_row_says_how_to_get_it(monkeypatch):
    """And nothing is started."""
    monkeypatch.setenv("PATH", "/nonexistent")
    shared = Bench()
    try:
        [result] = bench.measure([bench.ROWS["slurm"]], shared, None, math.inf)
    finally:
        shared.close()
    assert (result.here, result.rounds) == (False, [])
    assert result.problem == "no munged, slurmctld, slurmd, sbatch: apt-get install slurm-wlm"


@pytest.mark.parametrize("names", [
    ["rules-1000", "run-10000", "latency", "first-result", "memory", "executor-idle"],
    ["shared-input-4", "chain", "many-inputs", "many-outputs", "large-outputs"],
    ["broadcast"],
    ["images", "trainings", "genomics"],
], ids=lambda names: names[0])
def test_rows_run_from_end_to_end(names, tmp_path, capsys, monkeypatch):
    """Very small, on a real Mesos: they have all their figures, the results are written, and nothing is left."""
    need(not why_no_real_mesos(), "no real Mesos here", why_no_real_mesos())
    with tempfile.TemporaryDirectory(prefix="b-") as own:  # a short path, for sockets
        monkeypatch.setattr(tempfile, "tempdir", own)
        monkeypatch.setenv("TMPDIR", own)
        run_rows(names, tmp_path, capsys)
        assert not list(Path(own).glob("mfmesos-*"))


def run_rows(names, tmp_path, capsys):
    code = bench.main([*names, "--scale", "0.01", "--rounds", "1", "--output", str(tmp_path)])
    assert code == 0, capsys.readouterr()
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [found["name"] for found in rows] == names
    for found in rows:
        if found["problem"]:
            need(False, f"{found['name']} cannot be measured here", found["problem"])
        assert len(found["figures"]) == len(bench.ROWS[found["name"]].figures)
        assert bench.ROWS[found["name"]].title in (tmp_path / "table.md").read_text()


# --- many executors -------------------------------------------------------------------------------------
def test_fake_executors_are_served_by_a_whole_scheduler():
    """50 of them over TLS, each busy all the time: what `make bench-executors` does with 1,000 for 5 minutes."""
    found = executors.measure(50, 2, 1.0, 8.0, "")
    assert found.ended > 100
    assert found.syncs >= found.ended / 2
    assert found.descriptors > 50
    assert found.stall_s > 0.0
    assert "ended tasks/s on 50 executors" in str(found)
