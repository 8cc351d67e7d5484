"""What `mfmesos status` and `mfmesos why` print, as files: tests/views/golden. To renew them: MFMESOS_GOLDEN=write."""
from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mfmesos.core.waiting import Binding
from mfmesos.store.run_reading import grouped
from mfmesos.store.run_tables import ATTEMPT_COLUMNS, RUN_COLUMNS, TASK_COLUMNS
from mfmesos.views import status_view, why_view

GOLDEN = Path(__file__).parent / "golden"
RUN = {**dict.fromkeys(RUN_COLUMNS), "run": 3, "engine": "makeflow", "master": "mesos.example.org:5050",
       "started": 1000.0, "ended": 1500.0, "state": "ended", "failure": "", "total": 40, "before": 3, "finished": 38,
       "failed": 2, "withdrawn": 0}
LIVE = {"workdir": "/data/flow", "engine": "batch", "master": "127.0.0.1:5050", "pid": 77, "started": 1000.0,
        "now": 1200.0, "stopping": "", "connected": True, "claims": 2, "held": {"cores": 6.0, "memory_mb": 4000.0},
        "agents": 2, "cores": 8.0, "memory_mb": 31000.0,
        "counts": {"total": 40, "waiting": 20, "running": 8, "finished": 10, "failed": 2, "claims": 2, "left_s": 125.0,
                   "withdrawn": 0, "before": 3, "for_inputs": 5}}
RUNNING = [{"task": i, "state": "running", "attempts": 1, "category": "sim", "host": f"node{i}.cluster.example.org",
            "since": 1000.0 + 7 * i, "command": f"simulate --seed {i} --steps 100000 < in{i} > out{i}"}
           for i in range(1, 13)]
FAILURES = grouped([
    {"task": 9, "reason": "memory: 200 MB", "command": "sort big"},
    *({"task": i, "reason": f"exit code 3: no {i}", "command": "cat missing > b\x1b[31m" * 5} for i in range(7, 19))])
MEASURES = {"claim": "c2", "host": "node2", "started": 1103.0, "exit_code": 3, "signal": None, "resource": None,
            "cores": 1.0, "memory_mb": 512.0, "disk_mb": 1024.0, "others": "", "limit_memory_mb": 300.0,
            "limit_disk_mb": None, "used_cores": 0.97, "used_memory_mb": 203.2, "used_disk_mb": 11.0, "cpu_s": 58.2,
            "wall_s": 60.0, "wait_s": 0.1}
TASK = {"run": 3, "task": 7, "state": "failed", "reason": "exit code 3: cat: missing: No such file or directory",
        "command": "cat missing > b", "category": "cat", "outputs": "b", "attempts": 2, "submitted": 1000.0,
        "ended": 1163.5, "input_bytes": 10, **MEASURES, "inputs": "a", "needs": "", "output_bytes": 0,
        "asked_cores": None, "asked_memory_mb": 100.0, "asked_disk_mb": None, "asked_wall_s": None,
        "story": "0.00 waiting\n2.00 assigned c1\n2.50 running\n62.00 waiting its claim was released\n"
                 "103.00 assigned c2\n103.20 running\n163.50 failed exit code 3: cat: missing"}
ATTEMPT = {"run": 3, "task": 7, "attempt": 1, "ended": 1062.0, "reason": "its claim was released",
           **{**MEASURES, "claim": "c1", "host": "node1", "started": 1002.0, "exit_code": None, "used_memory_mb": 0.0,
              "wall_s": 0.0}}
WAITING = {"task": 8, "state": "waiting", "attempts": 1, "category": "cat", "host": "", "since": 1100.0, "claim": "",
           "command": "cat b > c", "inputs": 1, "outputs": [f"out{i}" for i in range(9)], "cores": 0.0,
           "memory_mb": 0.0, "disk_mb": 0.0, "limit_memory_mb": None, "limit_disk_mb": None,
           "story": [[1000.0, "waiting", ""], [1050.0, "assigned", "c1"], [1100.0, "waiting", "agent lost"]]}


AMOUNTS = {"cores": 2.0, "memory_mb": 1024.0, "disk_mb": 2048.0}
WHY = {"binding": "full", "name": "licences", "before": 3, "need": AMOUNTS, "largest": AMOUNTS,
       "most_free": {**AMOUNTS, "cores": 1.0},
       "held": AMOUNTS, "limit": 4, "claim": "c1", "behind": 5, "claims": [], "agents": [], "until": None,
       "start_at": 1225.0, "order": "fifo", "reserve": "easy",
       "otherwise": [["--reserve none", 1130.0], ["--order shortest", 1160.0]]}


def status(run, live, running=(), failures=()) -> list[str]:
    return list(status_view.lines(status_view.as_data("/data/flow", run, live, running, failures), 1800.0))


SCREENS = {
    "status-live": lambda: status({**RUN, "state": "running", "ended": None}, LIVE, RUNNING, FAILURES),
    "status-stopping": lambda: status(None, {**LIVE, "stopping": "stopped by SIGINT", "connected": False}),
    "status-rests": lambda: status(None, {**LIVE, "rests_s": 18.4}),
    "status-gpus": lambda: status(None, {**LIVE, "held": {**LIVE["held"], "gpus": 4.0, "advisory_gpus": 2.0}}),
    "status-gpus-strict": lambda: status(None, {**LIVE, "held": {**LIVE["held"], "gpus": 4.0, "advisory_gpus": 0.0}}),
    "status-ended": lambda: status(RUN, None, (), FAILURES),
    "status-stopped": lambda: status({**RUN, "state": "stopped", "failure": "stopped by SIGTERM"}, None),
    "status-crashed": lambda: status({**RUN, "state": "running", "ended": None}, None),
    "status-none": lambda: status(None, None),
    "why-failed": lambda: [
        *why_view.ended(TASK, [ATTEMPT], {"c1": "node1", "c2": "node2"}),
        *why_view.tail("stderr", "".join(f"line {i}\n" for i in range(30)) + "\x1b[2Jlast")],
    "why-finished": lambda: list(why_view.ended({**TASK, "state": "finished", "reason": "", "attempts": 1}, [], {})),
    "why-waiting": lambda: list(why_view.live(WAITING, {"c1": "node1"}, 1130.0)),
    "why-blocked": lambda: list(why_view.ended(
        {**TASK, "state": "blocked", "reason": "it needs a, which task 1 failed to make", "story": "", "claim": "",
         "attempts": 0}, [], {})),
    "why-held-back": lambda: list(why_view.live(
        {**WAITING, "state": "inputs", "needs": [["a", [3]], ["dir/b", [4, 5, 6, 7]], ["c", []]], "lacks": 13}, {}, 0)),
    "why-full": lambda: list(why_view.live({**WAITING, "why": WHY}, {"c1": "node1"}, 1130.0)),
    "why-bindings": lambda: [
        line for one in Binding for line in list(why_view.live(
            {**WAITING, "why": {**WHY, "binding": one.value, "start_at": None}}, {"c1": "node1"}, 1130.0))[1:2]],
    "why-running": lambda: list(why_view.live(
        {**WAITING, "state": "running", "host": "node1", "claim": "c1", "cores": 1.0}, {"c1": "node1"}, 1130.0)),
}


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", SCREENS)
def test_screens(name):
    """As in the file, in 80 columns, without a character that would steer a terminal."""
    lines = SCREENS[name]()
    text = "\n".join(lines) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("MFMESOS_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
    assert [line for line in lines if len(line) > 80 or not line.isprintable()] == []


def test_the_values_are_those_of_the_record():
    """The rows of this file have the columns of the tables."""
    assert set(RUN) == set(RUN_COLUMNS)
    assert set(TASK) == set(TASK_COLUMNS)
    assert set(ATTEMPT) == set(ATTEMPT_COLUMNS)


def test_a_long_story_is_cut():
    """Its beginning and its end are shown, and how much is not."""
    story = [[1000.0 + i, "waiting", f"reason {i}"] for i in range(100)]
    lines = list(why_view.live({**WAITING, "story": story}, {}, 2000.0))
    assert len(lines) < 45
    assert any("70 changes left out" in line for line in lines)
    assert "reason 99" in lines[-1]
