"""The screen of `mfmesos top`."""
from __future__ import annotations

from typing import Any

import pytest

from mfmesos.views.top_view import AGENTS, HEAD, TASKS, View, rows_of, screen

NOW = 1000.0
STATUS = {"engine": "batch", "workdir": "/home/ann/" + "long/" * 30, "started": 900.0, "claims": 2, "stopping": "",
          "counts": {"total": 40, "waiting": 20, "running": 8, "finished": 11, "failed": 1, "for_inputs": 5,
                     "waits_for": "room", "left_s": 120.0, "of a later version": 1},
          "held": {"cores": 8.0, "memory_mb": 4000.0}}


def running(count: int = 3) -> list[dict[str, Any]]:
    return [{"task": n, "since": NOW - 10 * n, "host": f"node{9 - n}.example.org", "cores": 1.0 + n % 2,
             "memory_mb": 100.0 * n, "category": "align", "command": f"align --part {n} " + "x" * 200}
            for n in range(1, count + 1)]


CLAIMS = [{"host": host, "tasks": tasks, "cores": 4.0, "memory_mb": 2000.0, "free_cores": 1e-16,
           "free_memory_mb": 500.0} for host, tasks in (("b", 3), ("a", 1), ("b", 2))]


@pytest.mark.parametrize("view", [View(), View(AGENTS)])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (20, 3), (40, 10)])
def test_it_fits(view: View, width: int, height: int) -> None:
    """No line is wider, and there are no more lines, than the terminal has, whatever the names; the last line says what
    the keys do."""
    lines = screen(view, STATUS, rows_of(view, running(50), CLAIMS), NOW, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    if height >= 10:
        assert len(lines) == height
        assert "quit" in lines[-1]


def test_what_it_shows() -> None:
    """The run, how far it is, what it holds, and a line for each task."""
    lines = screen(View(), STATUS, rows_of(View(), running(), CLAIMS), NOW, 80, 12)
    assert lines[0].startswith("mfmesos run  /home/ann/")
    assert lines[1].startswith("12/40 done (1 failed), 8 running, 20 waiting (5 inputs, 15 room), 2 min 0 s left")
    assert lines[2] == "held: 2 claims with 8 cores, 4000 MB memory"
    assert lines[HEAD - 1].split() == ["time", "task", "agent", "cores", "memory", "category", "command"]
    assert lines[HEAD].split()[:7] == ["30", "s", "3", "node6…le.org", "2", "300", "align"]
    assert lines[-1].startswith("1-3 of 3 tasks, by time ")
    stopping = screen(View(), {**STATUS, "stopping": "Ctrl-C"}, [], NOW, 80, 12)
    assert "stopping: Ctrl-C" in stopping[2]
    assert stopping[-1].startswith("0-0 of 0 tasks")


def test_agents() -> None:
    """The claims of an agent are one row."""
    rows = rows_of(View(AGENTS), [], CLAIMS)
    assert [(row["host"], row["claims"], row["tasks"], row["free_memory_mb"]) for row in rows] == [
        ("b", 2, 5, 1000.0), ("a", 1, 1, 500.0)]
    assert screen(View(AGENTS), STATUS, rows, NOW, 80, 12)[HEAD].split() == ["5", "b", "2", "8", "0", "4000", "1000"]


def test_sorting() -> None:
    """Longest first at the start; each column in turn, text upwards and amounts downwards; r reverses."""
    view, orders = View(), []
    for _ in range(5):
        orders.append([row["task"] for row in rows_of(view, running(), [])])
        view = view.pressed(">", 3, 10)
    assert orders == [[3, 2, 1], [1, 2, 3], [3, 2, 1], [1, 3, 2], [3, 2, 1]]
    assert [row["task"] for row in rows_of(View(reverse=True), running(), [])] == [1, 2, 3]
    assert View(reverse=True).pressed("r", 3, 10) == View()
    assert View().pressed("<", 3, 10).column == 6
    assert View(column=6).pressed("right", 3, 10).column == 0


def test_keys() -> None:
    """Tables by letter and by Tab; rows scroll within the table; other keys change nothing."""
    assert [View().pressed(key, 0, 5).table for key in ("a", "t", "tab", "x", "")] == [
        AGENTS, TASKS, AGENTS, TASKS, TASKS]
    assert View(AGENTS).pressed("tab", 0, 5).table == TASKS
    first = View(first=3)
    assert [first.pressed(key, 12, 5).first for key in ("down", "up", "pagedown", "pageup", "x")] == [4, 2, 7, 0, 3]
    assert View().pressed("pagedown", 3, 5).first == 0
