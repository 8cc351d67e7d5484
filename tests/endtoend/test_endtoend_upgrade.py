"""mfmesos is updated in the middle of a run: the new version goes on with what the version before left.

Here that is its journal, kept in tests/store/versions; tests/chaos/upgrade.py runs the version before itself."""
from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest
from flows import Flow, nothing_stays
from support import wait_until

VERSIONS = Path(__file__).resolve().parent.parent / "store" / "versions"
sys.path[:0] = [str(VERSIONS)]

from keep_mixed import tasks  # noqa: E402


@pytest.mark.parametrize("kept", sorted(VERSIONS.glob("journal-*")), ids=lambda p: p.name)
def test_a_run_goes_on_with_an_earlier_journal(kept, embedded_mesos, tmp_path):
    """Its claims are gone with their cluster, its tasks are in every state: each ends, with the right output, and is
    reported once. What it waited for is not charged: no retry is left to these tasks."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("in", "x\n")
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks(tmp_path)))
    for name in ("killed", "failed"):
        (tmp_path / name).touch()  # as the tasks that ran then have left them
    state = flow.folder / ".mfmesos"
    state.mkdir()
    with sqlite3.connect(state / "journal.sqlite") as db:
        db.executescript((kept / "mixed.sql").read_text().replace("/scratch", str(tmp_path)))
    db.close()
    with nothing_stays(embedded_mesos):
        process = flow.start("run", "--master", embedded_mesos.master, "--retries", "0", "tasks.jsonl")
        wait_until(lambda: "event=resumed tasks=" in flow.log(), 20, "the journal to be taken up")
        (tmp_path / "go").touch()
        ended = flow.end(process, 60)
    assert ended.code == 0, ended.out + flow.log()
    assert [(flow.folder / name).read_text() for name in ("two", "three é", "four", "five")] == ["x\n"] * 4
    lines = Counter((flow.folder / "mesos_task_state").read_text().splitlines())
    assert lines == {f"{number},finished": 1 for number in range(1, 6)}
