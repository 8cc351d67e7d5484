"""Nothing declared, run twice by real makeflow: the second time many more tasks go side by side, safely."""
from __future__ import annotations

import os
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from flows import MFMESOS, Flow
from support import wait_until

from mfmesos.store.history import History

HOLD = """import sys, time
size = {size}
began = time.time()
held = b"x" * int(size * 1048576)
time.sleep(1.5)
with open(sys.argv[1], "w") as f:
    f.write(f"{{began}} {{time.time()}}\\n")
"""
CONSTANT, LOW, HIGH, PER_MB = 60, 30, 160, 30
OWN_MB = 9
"""What Python itself takes, about."""
SCRIPTS = {
    "constant.py": HOLD.format(size=CONSTANT),
    "linear.py": HOLD.format(size=f"__import__('os').path.getsize(sys.argv[2]) / 1048576 * {PER_MB}"),
    "bimodal.py": HOLD.format(size=f"{HIGH} if int(sys.argv[2]) % 2 else {LOW}"),
}
EACH = 20


def write(folder: Path, flow: Flow) -> None:
    """Sixty rules in three categories: one of constant memory, one linear in its input, one of two sizes."""
    for name, text in SCRIPTS.items():
        flow.write(name, text)
    rules = []
    for i in range(1, EACH + 1):
        with open(flow.folder / f"in.{i}", "wb") as f:
            f.write(os.urandom(16))
            f.truncate(i * 262144)
        rules.append(f"c.{i}: constant.py\n\tpython3 constant.py c.{i}\n")
        rules.append(f"l.{i}: linear.py in.{i}\n\tpython3 linear.py l.{i} in.{i}\n")
        rules.append(f"b.{i}: bimodal.py\n\tpython3 bimodal.py b.{i} {i}\n")
    flow.write("Makeflow", "\n".join(rules))


def side_by_side(flow: Flow) -> tuple[int, float]:
    """How many tasks ran when the first of them ended (from then on a run learns from itself), and the time from the
    first beginning to the last end."""
    spans = [tuple(map(float, (flow.folder / f"{kind}.{i}").read_text().split()))
             for kind in "clb" for i in range(1, EACH + 1)]
    first_end = min(ended for _, ended in spans)
    return sum(began < first_end for began, _ in spans), max(e for _, e in spans) - min(b for b, _ in spans)


def estimates(history: Path, category: str) -> list[str]:
    done = subprocess.run([*MFMESOS, "estimates", category, "--history", str(history)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def run(tmp_path: Path, cluster, name: str, history: Path) -> tuple[int, float, Flow]:
    flow = Flow(tmp_path / name, cluster)
    write(tmp_path, flow)
    ended = flow.end(flow.start(
        "makeflow", "--master", cluster.master, "--history", str(history), "--", "-J", "200", "Makeflow"), 110)
    assert ended.code == 0, ended.out + flow.log()
    return (*side_by_side(flow), flow)


@pytest.mark.timeout(240)
def test_the_second_run_packs_twice_as_many(make_embedded, tmp_path):
    """At least twice the tasks side by side on the same agents, a sooner end, at most one exhausted attempt, and
    `mfmesos estimates` knows each category within a fifth."""
    cluster = make_embedded(agents=2, resources="cpus:4;mem:2144;disk:20000")
    history = tmp_path / "history.sqlite"
    first, took_first, _ = run(tmp_path, cluster, "first", history)
    second, took_second, flow = run(tmp_path, cluster, "second", history)
    assert first <= 8
    assert second >= 2 * first, (first, second)
    assert took_second < took_first
    retried = Counter(e["attempts"] for e in flow.report())
    assert sum(n * (a - 1) for a, n in retried.items()) <= 1, retried
    for category, most in (
            ("constant.py", CONSTANT), ("linear.py", EACH / 4 * PER_MB), ("bimodal.py", HIGH)):
        line = next(line for line in estimates(history, category) if line.startswith("memory:"))
        shown = float(line.split(" MB, median")[0].split()[-1])
        assert shown == pytest.approx(most + OWN_MB, rel=0.2), line
    given = next(line for line in estimates(history, "constant.py") if "the next task gets" in line)
    assert float(given.split(" gets ")[1].split()[0]) == pytest.approx(CONSTANT + OWN_MB, rel=0.2), given


def spoil(path: Path, how: str) -> None:
    if how == "poisoned":
        path.write_bytes(b"SQLite format 3\0" + b"poison" * 2000)
    elif how == "truncated":
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE attempts (id)")
        db.executemany("INSERT INTO attempts VALUES (?)", [("x" * 500,)] * 200)
        db.commit()
        db.close()
        path.write_bytes(path.read_bytes()[:9000])
    else:
        History(path).close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()


@pytest.mark.parametrize("how", ["poisoned", "truncated", "newer"])
def test_a_bad_history_does_not_stop_a_workflow(embedded_mesos, tmp_path, how):
    """One line about it; the workflow runs, and the file stays as it is."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("in.txt", "x\n")
    flow.write("tasks.info", "1,cat in.txt > o1,in.txt,o1,-1,-1,-1,submitted\n")
    history = tmp_path / "history.sqlite"
    spoil(history, how)
    before = history.read_bytes()
    ended = flow.run("--plain", "--history", str(history), "tasks.info")
    assert ended.code == 0, ended.out
    assert (flow.folder / "o1").read_text() == "x\n"
    assert ended.out.count(str(history)) == 1, ended.out
    assert ended.line_with(str(history), "this run continues without a history")
    assert history.read_bytes() == before
    wait_until(lambda: not embedded_mesos.get("/state")["frameworks"], 15, "the framework to be torn down")
