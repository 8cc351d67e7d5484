"""The screen of `mfmesos top`."""
from __future__ import annotations

from typing import Any

import pytest

from mfmesos.views.top_view import AGENTS, HEAD, TASKS, WAITING, View, rows_of, screen

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


def waiting(count: int = 2) -> list[dict[str, Any]]:
    """In their order; the last one has no inputs yet."""
    amounts = {"cores": 1.0, "memory_mb": 512.0, "disk_mb": 0.0}
    why = {"binding": "full", "before": 0, "claim": "", "limit": None, "behind": None, "until": None, "name": "",
           "order": "fifo", "reserve": "easy", "start_at": None, "otherwise": [],
           **dict.fromkeys(("largest", "most_free", "held"), amounts)}
    rows = [{"task": 100 - n, "state": "waiting", "since": NOW - 70 * n, "category": "align",
             "why": {**why, "need": {**amounts, "cores": float(n)}}} for n in range(1, count)]
    return [*rows, {"task": 7, "state": "inputs", "category": "last", "needs": [["a.dat", [3, 4]], ["b", [9]]]}]


FOUND = {TASKS: running(50), WAITING: waiting(50), AGENTS: CLAIMS}


@pytest.mark.parametrize("view", [View(), View(WAITING), View(AGENTS)])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (20, 3), (40, 10)])
def test_it_fits(view: View, width: int, height: int) -> None:
    """No line is wider, and there are no more lines, than the terminal has, whatever the names; the last line says what
    the keys do."""
    lines = screen(view, STATUS, rows_of(view, FOUND[view.table], NOW), NOW, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    if height >= 10:
        assert len(lines) == height
        assert "quit" in lines[-1]


def test_what_it_shows() -> None:
    """The run, how far it is, what it holds, and a line for each task."""
    lines = screen(View(), STATUS, rows_of(View(), running(), NOW), NOW, 80, 12)
    assert lines[0].startswith("mfmesos run  /home/ann/")
    assert lines[1].startswith("12/40 done (1 failed), 8 running, 20 waiting (5 inputs, 15 room), 2 min 0 s left")
    assert lines[2] == "held: 2 claims with 8 cores, 4000 MB memory"
    assert lines[HEAD - 1].split() == ["time", "task", "agent", "cores", "memory", "category", "command"]
    assert lines[HEAD].split()[:7] == ["30", "s", "3", "node6…le.org", "2", "300", "align"]
    assert lines[HEAD - 2] == "1-3 of 3 tasks, by time"
    stopping = screen(View(), {**STATUS, "stopping": "Ctrl-C"}, [], NOW, 80, 12)
    assert "stopping: Ctrl-C" in stopping[2]
    assert stopping[HEAD - 2].startswith("0-0 of 0 tasks")


def test_agents() -> None:
    """The claims of an agent are one row."""
    rows = rows_of(View(AGENTS), CLAIMS, NOW)
    assert [(row["host"], row["claims"], row["tasks"], row["free_memory_mb"]) for row in rows] == [
        ("b", 2, 5, 1000.0), ("a", 1, 1, 500.0)]
    assert screen(View(AGENTS), STATUS, rows, NOW, 80, 12)[HEAD].split() == ["5", "b", "2", "8", "0", "4000", "1000"]


def test_waiting_tasks() -> None:
    """In their turn, with what they need and the reason, whose beginning is shown; of tasks whose inputs do not exist
    yet nothing else is known. More tasks wait than are shown.
    """
    lines = screen(View(WAITING), STATUS, rows_of(View(WAITING), waiting(3), NOW), NOW, 80, 12)
    assert lines[HEAD - 2] == "1-3 of the first 3 of 20 waiting, by turn"
    assert lines[HEAD - 1:HEAD + 3] == [
        "turn    task      waited  cores  memory  category  why",
        "   1      99  1 min 10 s      1     512  align     it waits for room in the cla…",
        "   2      98  2 min 20 s      2     512  align     it waits for room in the cla…",
        "   3       7           -      -       -  last      it waits for a.dat of task 3…"]
    wide = screen(View(WAITING), STATUS, rows_of(View(WAITING), waiting(3), NOW), NOW, 140, 12)
    assert wide[HEAD].endswith("it waits for room in the claims; free is at most 1 cores, 512 MB, 0 MB disk")
    assert wide[HEAD + 2].endswith("it waits for a.dat of task 3, 4")
    by_cores = rows_of(View(WAITING, column=3), waiting(3), NOW)
    assert [row["task"] for row in by_cores] == [98, 99, 7]


def test_sorting() -> None:
    """Longest first at the start; each column in turn, text upwards and amounts downwards; r reverses."""
    view, orders = View(), []
    for _ in range(5):
        orders.append([row["task"] for row in rows_of(view, running(), NOW)])
        view = view.pressed(">", 3, 10)
    assert orders == [[3, 2, 1], [1, 2, 3], [3, 2, 1], [1, 3, 2], [3, 2, 1]]
    assert [row["task"] for row in rows_of(View(reverse=True), running(), NOW)] == [1, 2, 3]
    assert View(reverse=True).pressed("r", 3, 10) == View()
    assert View().pressed("<", 3, 10).column == 6
    assert View(column=6).pressed("right", 3, 10).column == 0


def test_keys() -> None:
    """Tables by letter and by Tab; rows scroll within the table; other keys change nothing."""
    assert [View().pressed(key, 0, 5).table for key in ("a", "w", "t", "tab", "x", "")] == [
        AGENTS, WAITING, TASKS, WAITING, TASKS, TASKS]
    assert View(WAITING).pressed("tab", 0, 5).table == AGENTS
    assert View(AGENTS).pressed("tab", 0, 5).table == TASKS
    first = View(first=3)
    assert [first.pressed(key, 12, 5).first for key in ("down", "up", "pagedown", "pageup", "x")] == [4, 2, 7, 0, 3]
    assert View().pressed("pagedown", 3, 5).first == 0
