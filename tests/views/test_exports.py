"""`mfmesos export`: a run for other programs. tests/exchange has them read it."""
from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_runs import exported, loaded, sample

from mfmesos.cli.command_line import main
from mfmesos.simulate.wfformat_workload import wfformat_tasks
from mfmesos.views import run_exports
from mfmesos.views.run_facts import RunFacts


@pytest.fixture
def facts(tmp_path) -> RunFacts:
    sample(tmp_path, 120)
    return loaded(tmp_path)


def test_csv(facts):
    """A line for each task; what is unknown is empty."""
    rows = list(csv.DictReader(io.StringIO(exported("csv", facts))))
    assert len(rows) == len(facts.tasks)
    assert (rows[0]["category"], rows[0]["agent"], rows[0]["command"]) == (
        "prepare", "node0", "prepare --all <input> & split")
    assert float(rows[1]["wall_s"]) == pytest.approx(facts.tasks[1].wall_s)


def test_nextflow(facts):
    """A line for each attempt, the fields and the notation of Nextflow's trace files."""
    rows = list(csv.DictReader(io.StringIO(exported("nextflow", facts)), delimiter="\t"))
    assert len(rows) == len(facts.tasks) + len(facts.attempts)
    assert None not in {value for row in rows for value in row.values()}
    assert {row["status"] for row in rows} == {"COMPLETED", "FAILED"}
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", row["submit"])
        assert re.fullmatch(r"(\d+h )?(\d+m )?\d+(\.\d+)?(ms|s)|\d+m", row["duration"])
    assert len({row["native_id"] for row in rows}) == len(rows)


@pytest.mark.parametrize(("seconds", "words"), [
    (0.519, "519ms"), (1.5, "1.5s"), (3, "3s"), (160, "2m 40s"), (3782, "1h 3m 2s"), (90000, "1d 1h")])
def test_durations_of_nextflow(seconds, words):
    """As Nextflow writes them."""
    assert run_exports._duration(seconds) == words


@pytest.mark.parametrize(("number", "words"), [
    (0, "0"), (512, "512 B"), (1536, "1.5 KB"), (300.5 * 2**20, "300.5 MB"), (2**41, "2 TB"), (2**51, "2048 TB")])
def test_amounts_of_nextflow(number, words):
    """The same for memory."""
    assert run_exports._memory(number) == words


def test_wfformat(facts, tmp_path):
    """Finished tasks, their dependencies in both directions, files with sizes; our own reader takes it."""
    data = json.loads(exported("wfcommons", facts))
    specification, execution = data["workflow"]["specification"], data["workflow"]["execution"]
    tasks = {task["id"]: task for task in specification["tasks"]}
    assert len(tasks) == sum(row.state == "finished" for row in facts.tasks) == len(execution["tasks"])
    assert tasks["map_2"]["parents"] == ["prepare_1"]
    assert all(parent in tasks and one in tasks[parent]["children"] for one, task in tasks.items()
               for parent in task["parents"])
    assert {file["id"]: file["sizeInBytes"] for file in specification["files"]} == {"in": 5, "result": 7, "parts": 9}
    assert all(re.fullmatch(r"[0-9a-zA-Z-_.]+", one) for one in tasks)
    assert execution["tasks"][0]["command"]["program"] == "prepare"
    workload = wfformat_tasks("file", data)
    assert [one.parents for one in workload[:2]] == [(), (1,)]


def test_names_that_wfformat_does_not_allow():
    """They are replaced, and stay different."""
    ids = run_exports._Ids()
    assert [ids.of(name) for name in ("a b", "a/b", "a b", "ü")] == ["a_b", "a_b_2", "a_b", "_"]


def test_trace_events(facts):
    """Slices of one lane do not overlap, arrows begin and end inside slices, and every task that ran is one."""
    events = json.loads(exported("perfetto", facts))["traceEvents"]
    slices: dict[tuple[int, int], list[dict]] = {}
    for event in events:
        if event["ph"] == "X":
            slices.setdefault((event["pid"], event["tid"]), []).append(event)
    assert sum(map(len, slices.values())) == len(facts.tasks) + len(facts.attempts)
    for lane in slices.values():
        lane.sort(key=lambda event: event["ts"])
        assert all(one["ts"] + one["dur"] <= other["ts"] for one, other in zip(lane, lane[1:]))
    arrows = [event for event in events if event["ph"] in "sf"]
    assert len(arrows) == 2 * len({arrow["id"] for arrow in arrows}) > 200
    for arrow in arrows:
        assert any(one["ts"] <= arrow["ts"] < one["ts"] + one["dur"] for one in slices[arrow["pid"], arrow["tid"]])
    counters = {event["name"] for event in events if event["ph"] == "C"}
    assert counters == {"held cores", "held memory MB", "waiting tasks"}


def test_the_command(tmp_path, monkeypatch):
    """To a file for the user alone, or to standard output."""
    sample(tmp_path / "flow", 5)
    monkeypatch.chdir(tmp_path)
    out = CliRunner().invoke(main, ["export", "flow", "--format", "csv"])
    assert out.exit_code == 0
    assert out.output.startswith("run,agent,task,state")
    assert CliRunner().invoke(main, ["export", "flow", "--format", "csv", "-o", "out.csv"]).exit_code == 0
    assert Path("out.csv").read_text() == out.output
    assert Path("out.csv").stat().st_mode & 0o777 == 0o600
    assert CliRunner().invoke(main, ["export", "flow", "--format", "xml"]).exit_code == 2
