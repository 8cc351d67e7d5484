"""`mfmesos report`: one file with everything, from the record."""
from __future__ import annotations

import base64
import gzip
import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser
from click.testing import CliRunner
from sample_runs import BEGAN, loaded, sample

from mfmesos.cli.command_line import main
from mfmesos.store import sqlitefile
from mfmesos.store.run_tables import APPLICATION_ID, STEPS
from mfmesos.views import report_columns, run_facts, run_sums
from mfmesos.views.report_page import Units, page
from mfmesos.views.run_facts import AttemptRow, ClaimRow, RunFacts, Sample, TaskRow


def task(number: int, started: float, ended: float, **more: object) -> TaskRow:
    values: dict[str, object] = {
        "task": number, "state": "finished", "reason": "", "command": f"do {number}", "category": "do", "outputs": "",
        "inputs": "", "needs": "", "attempts": 1, "submitted": 0.0, "started": started, "ended": ended, "claim": "c1",
        "host": "node1", "exit_code": 0, "cores": 2.0, "memory_mb": 1024.0, "disk_mb": 0.0, "used_cores": 1.0,
        "used_memory_mb": 512.0, "used_disk_mb": 0.0, "cpu_s": ended - started, "wall_s": ended - started - 1,
        "input_bytes": 0, "output_bytes": 0, "asked_cores": None, "asked_memory_mb": 2048.0, **more}
    return TaskRow(**values)  # type: ignore[arg-type]


def facts(*tasks: TaskRow, attempts: tuple[AttemptRow, ...] = (), samples: tuple[Sample, ...] = (),
          end: float = 100.0) -> RunFacts:
    return RunFacts({"run": 1, "sent_bytes": 0}, list(tasks), list(attempts), [], list(samples), 0.0, end, {})


def unpacked(text: str) -> dict:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_curves_are_averages_over_intervals():
    """The area under each curve is the amount; what begins in the middle of an interval counts in part."""
    found = run_sums.curves(facts(task(1, 10.05, 60.0), samples=(Sample(0.0, 1, 8.0, 2048.0, 0, 0),)))
    width = 100.0 / run_sums.POINTS
    assert sum(found.given_cores) * width == pytest.approx(2.0 * 49.95)
    assert sum(found.used_cores) * width == pytest.approx(49.95)
    assert sum(found.used_memory) * width == pytest.approx(0.5 * 49.95)
    assert sum(found.held_cores) * width == pytest.approx(800.0)
    assert found.given_cores[50] == pytest.approx(2.0 * 0.75)
    assert found.given_cores[49] == pytest.approx(0.0)


def test_sums_of_a_run():
    """Held from the samples; what failed and what was repeated is lost."""
    again = AttemptRow(2, 1, "lost", 0.0, 5.0, "c1", "node1", 1.0, 100.0, 2.0, 4.0)
    found = run_sums.totals(facts(
        task(1, 0.0, 10.0), task(2, 10.0, 20.0, state="failed"), attempts=(again,),
        samples=(Sample(0.0, 1, 4.0, 100.0, 0, 0), Sample(50.0, 0, 0.0, 0.0, 0, 0))))
    assert (found.held, found.given, found.used, found.lost) == (200.0, 45.0, 22.0, 25.0)


def test_no_more_is_allocated_than_held():
    """A sample counts from the claim that it found, and an attempt that was sent ahead of its turn counts once."""
    one = facts(task(1, 5.1, 60.0), task(2, 5.2, 60.0, cores=3.0),
                samples=(Sample(0.0, 0, 0.0, 0.0, 0, 0), Sample(5.5, 1, 4.0, 2048.0, 0, 0)))
    one.claims.append(ClaimRow("c1", "a1", "node1", 5.0, None, 4.0, 2048.0))
    assert one.held()[1][0] == 5.0
    found = run_sums.curves(one)
    assert all(given <= held for given, held in zip(found.given_cores, found.held_cores))
    assert max(found.given_cores) == 4.0
    ahead = facts(task(1, 0.0, 100.0, cores=4.0), task(2, 50.0, 100.0, cores=4.0),
                  samples=(Sample(0.0, 1, 4.0, 2048.0, 0, 0),))
    assert max(run_sums.curves(ahead).given_cores) == 4.0
    assert run_sums.totals(ahead).given == run_sums.totals(ahead).held == 400.0


@pytest.mark.parametrize(("mb", "seconds", "unit", "shown"), [
    (1024.0, 7200.0, "GB hours", "2"), (512.0, 3600.0, "MB hours", "512"), (100.0, 3.0, "MB seconds", "300")])
def test_units_fit_the_run(mb, seconds, unit, shown):
    """Small runs have no table of zeros."""
    units = Units(facts(samples=(Sample(0.0, 1, 1.0, mb, 0, 0),), end=seconds))
    assert (units.memory, units.of_memory(mb * seconds)) == (unit, shown)


def test_what_a_smaller_request_would_have_saved():
    """The suggestion is the highest peak and a tenth; the saving what was allocated beyond it while tasks ran."""
    (one,) = run_sums.categories(facts(task(1, 0.0, 11.0), task(2, 0.0, 11.0, used_memory_mb=900.0)))
    assert one.suggested_mb == 990
    assert one.saving_memory_s() == pytest.approx(2 * 10 * 34.0)
    (none,) = run_sums.categories(facts(task(1, 0.0, 11.0, used_memory_mb=0.0)))
    assert none.saving_memory_s() == 0.0


def test_the_critical_path():
    """From the last task back over the input that came last, with the time that each waited for room."""
    steps = run_sums.critical_path(facts(
        task(1, 1.0, 10.0), task(2, 1.0, 30.0), task(3, 35.0, 50.0, needs="2 1"), task(4, 2.0, 49.0, needs="1"),
        task(5, 50.0, 60.0, needs="3 4", state="failed")))
    assert [(step.task.task, step.waited, step.moved) for step in steps] == [(2, 1.0, 1.0), (3, 5.0, 1.0)]
    assert run_sums.critical_path(facts()) == []
    assert len(run_sums.critical_path(facts(task(1, 0.0, 5.0, needs="1")))) == 1  # a record with a cycle is damaged


def test_agents_of_one_host_have_numbers(tmp_path):
    """Two agents on one host are two; each claim belongs to one."""
    claims = [ClaimRow(f"c{n}", f"a{n % 2}", "here", 0.0, None, 1.0, 1.0) for n in range(3)]
    assert run_facts._agents([*claims, ClaimRow("c9", "a9", "there", 0.0, None, 1.0, 1.0)]) == {
        "c0": "here #1", "c1": "here #2", "c2": "here #1", "c9": "there"}


def test_the_page_holds_every_task(tmp_path):
    """Packed in columns, with the commands; foreign text is escaped, and nothing is from elsewhere."""
    sample(tmp_path, 120)
    text = page(loaded(tmp_path), "a <b> flow", BEGAN)
    assert "<title>a &lt;b&gt; flow: report</title>" in text
    assert "prepare --all &lt;input&gt; &amp; split" in text
    assert "<input>" not in text
    data = unpacked(re.findall(r'id="data">([^<]+)<', text)[0])
    assert sum(data["task"]) == len(data["task"]) == 124
    assert data["command"].split("\n")[0] == "prepare --all <input> & split"
    assert sorted(data["states"]) == ["failed", "finished"]
    assert not re.search(r'(?:src|href)="(?!#)|@import|url\(', text)


def test_the_page_says_who_kept_gpus_apart(tmp_path):
    """Nothing in a run without GPUs; of claims that have ended, in how many variables alone did."""
    sample(tmp_path, 5)
    found = loaded(tmp_path)
    assert "GPUs" not in page(found, "flow", BEGAN)
    claims = [ClaimRow(f"g{n}", "a", "here", 0.0, 9.0, 1.0, 1.0, isolated) for n, isolated in enumerate((1, 1, None))]
    assert "GPUs strict" in page(replace(found, claims=claims), "flow", BEGAN)
    claims.append(claims[0]._replace(gpus_isolated=0))
    assert "GPUs advisory in 1 of 3 claims with GPUs" in page(replace(found, claims=claims), "flow", BEGAN)


def test_the_size_is_bounded(tmp_path, monkeypatch):
    """Long commands lose their middles until all tasks fit."""
    sample(tmp_path, 200)
    found = loaded(tmp_path)
    whole = report_columns.packed(found, run_sums.curves(found))
    monkeypatch.setattr(report_columns, "BUDGET", len(whole) - 1000)
    smaller = report_columns.packed(found, run_sums.curves(found))
    assert len(smaller) <= len(whole) - 1000
    assert unpacked(smaller)["cut"] < unpacked(whole)["cut"]
    assert len(unpacked(smaller)["task"]) == len(unpacked(whole)["task"])


def test_the_command(tmp_path, monkeypatch):
    """The file is for the user alone; a run that is not recorded is one line."""
    sample(tmp_path / "flow", 5)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["report", "flow", "-o", "out.html"])
    assert (done.exit_code, done.output) == (0, "out.html: the report of run 1, 8 tasks\n")
    assert Path("out.html").stat().st_mode & 0o777 == 0o600
    done = CliRunner().invoke(main, ["report", "flow", "--run", "7"])
    assert done.exit_code == 1
    assert "run 7 is not recorded" in done.output
    done = CliRunner().invoke(main, ["report", "."])
    assert "no run of mfmesos is recorded here" in done.output
    done = CliRunner().invoke(main, ["report", "flow", "-o", "missing/out.html"])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)


def test_a_run_without_tasks_and_one_of_an_earlier_version(tmp_path):
    """A run that has only begun has a report; so has one whose record lacks columns and tables."""
    (tmp_path / ".mfmesos").mkdir()
    db = sqlite3.connect(tmp_path / ".mfmesos/record.sqlite", isolation_level=None)
    STEPS[0](db)
    sqlitefile.mark(db, APPLICATION_ID, 1)
    db.execute("INSERT INTO runs VALUES (1, 'batch', 'm:1', '0.1.0', 'h', 1, 5, NULL, 'running', '', 3, 0, 0, 0, 0, 0)")
    assert "running" in page(loaded(tmp_path), "flow", 9.0)
    db.execute("INSERT INTO tasks (run, task, state, reason, command, category, outputs, attempts, submitted, ended,"
               " claim, host, started, cores, memory_mb, disk_mb, used_cores, used_memory_mb, used_disk_mb, cpu_s,"
               " wall_s, input_bytes) VALUES (1, 1, 'failed', 'exit code 1', 'do', 'x', 'y', 1, 5, 9, 'c', 'h', 6, 1,"
               " 1, 1, 1, 1, 1, 1, 1, 1)")
    db.close()
    assert "exit code 1" in page(loaded(tmp_path), "flow", 9.0)


@pytest.mark.once
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(tmp_path, width):
    """On a phone and on a desk: no error, plots are drawn, the search narrows the table, keys open a task, and only
    wide tables scroll sideways.
    """
    sample(tmp_path, 150)
    (tmp_path / "report.html").write_text(page(loaded(tmp_path), "flow", BEGAN))
    with Browser(tmp_path / "profile", width, prefers_color_scheme="dark") as browser:
        browser.open((tmp_path / "report.html").as_uri())
        browser.wait("document.body && document.body.dataset.ready === 'yes'", "the page to be ready")
        assert browser.run("document.querySelectorAll('.chart canvas').length") == 3
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("document.getElementById('where').textContent") == "1–50 of 154"
        browser.run("s = document.getElementById('search'), s.value = 'MAP part000097', s.oninput()")
        assert browser.run("document.getElementById('where').textContent") == "1–1 of 1"
        assert browser.run("document.querySelector('#rows tr').cells[1].textContent") == "finished"
        browser.run("document.querySelector('#rows button').focus()")
        browser.press("Enter", 13)
        assert "mapped000097" in browser.run("document.querySelector('tr.more').textContent")
        browser.run("s.value = '', s.oninput(), f = document.getElementById('which'), f.value = '1', f.onchange()")
        assert browser.run("document.querySelector('#rows tr').cells[1].textContent") == "failed"
        assert browser.errors == []
