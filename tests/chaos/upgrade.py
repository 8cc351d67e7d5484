"""Update mfmesos in the middle of a run: the version before is killed with SIGKILL, and this one goes on.

    python tests/chaos/upgrade.py REVISION [--cluster embedded|real] [--temporaries 0] [--tree DIR]

REVISION is checked out into a folder of its own with its own environment; `--tree` names one that exists already. Some
tasks read temporary outputs, some are long. What the version before has reported must not run again; each task must be
reported once, with the right output, though no retry is allowed.
"""
from __future__ import annotations

import argparse
import json
import random
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "endtoend"), str(ROOT)]

import flows  # noqa: E402
from clusters import KINDS, Cluster  # noqa: E402
from flows import Flow, nothing_stays  # noqa: E402
from support import wait_until  # noqa: E402

TASKS = 40
STATE = "mesos_task_state"


def lines(tally: Path, chance: random.Random, temporaries: float) -> Iterator[dict[str, object]]:
    """Pairs: a task that makes an output, temporary or not, and one that reads it."""
    for number in range(1, TASKS, 2):
        made: object = f"o{number}"
        if chance.random() < temporaries:
            made = {"name": made, "temporary": True}
        for n, command, more in (
                (number, "cat in", {"inputs": ["in"], "outputs": [made]}),
                (number + 1, f"cat o{number} in", {"inputs": ["in", f"o{number}"], "outputs": [f"o{number + 1}"]})):
            seconds = chance.choice((0.1, 0.3, 1.0, 3.0))
            yield {"id": n, "cores": 1, "memory": 50, "disk": 10, **more,
                   "command": f"echo {n} >> {shlex.quote(str(tally))}; sleep {seconds}; {command} > o{n}"}


def reported(flow: Flow) -> set[int]:
    path = flow.folder / STATE
    done = path.read_text().splitlines() if path.exists() else []
    return {int(line.partition(",")[0]) for line in done}


def check(flow: Flow, tally: Path, temporary: set[int], before: set[int]) -> None:
    """What must be true of both runs together; `before`: reported by the version before."""
    ran = Counter(map(int, tally.read_text().split()))
    again = {n for n in before if ran[n] > 1 and n not in temporary}
    assert not again, f"tasks that had been reported ran again: {sorted(again)}"
    most = {n: count for n, count in ran.items() if count > 2}
    assert not most, f"tasks that ran more than twice: {most}"
    state = Counter((flow.folder / STATE).read_text().splitlines())
    assert state == {f"{n},finished": 1 for n in range(1, TASKS + 1)}, state
    for n in range(1, TASKS + 1):
        if n not in temporary:
            assert (flow.folder / f"o{n}").read_text() == "x\n" * (2 - n % 2), f"o{n}"


def upgrade(python: str, cluster: Cluster, folder: Path, seed: int, temporaries: float) -> str:
    """One update, at a random moment. Returns what happened, in one line."""
    chance = random.Random(f"upgrade {seed}")
    flow, tally = Flow(folder / "flow", cluster), folder / "tally"
    flow.write("in", "x\n")
    tasks = list(lines(tally, chance, temporaries))
    temporary = {int(str(task["id"])) for task in tasks if '"temporary": true' in json.dumps(task["outputs"])}
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    argv = ("run", "--master", cluster.master, "--plain", "tasks.jsonl")
    with nothing_stays(cluster):
        flows.MFMESOS[0] = python
        process = flow.start(*argv)
        flows.MFMESOS[0] = sys.executable
        enough = chance.randint(1, TASKS // 2)
        wait_until(lambda: len(reported(flow)) >= enough or process.poll() is not None, 60, "tasks to end")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before, ran_before = reported(flow), len(tally.read_text().split())
        ended = flow.end(flow.start(*argv), 120)
        assert ended.code == 0, ended.out + flow.log()
    check(flow, tally, temporary, before)
    given_back = ended.out.count("is of another version of mfmesos")
    return (f"killed after {len(before)} of {TASKS} tasks were reported and {ran_before} had started; {given_back} "
            f"of its claims were given back; {len(tally.read_text().split()) - TASKS} attempts ran again")


@contextmanager
def tree_of(revision: str) -> Iterator[Path]:
    """The revision's files with an environment of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", "-q", tree, revision], check=True)
        try:
            subprocess.run([tree / "tools" / "setup-venv", sys.executable, ".venv", "test"], check=True, cwd=tree)
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("revision", nargs="?", default="HEAD~1")
    words.add_argument("--cluster", choices=sorted(KINDS), default="embedded")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--temporaries", type=float, default=0.5, help="share of temporary outputs; 0 for versions "
                                                                      "that know none")
    words.add_argument("--tree", type=Path)
    given = words.parse_args()
    with (tree_of(given.revision) if given.tree is None else _same(given.tree)) as tree:
        for seed in range(given.seed, given.seed + given.rounds):
            cluster = KINDS[given.cluster](agents=2, resources="cpus:3;mem:4096;disk:20000")
            try:
                with tempfile.TemporaryDirectory() as folder:
                    python = tree / ".venv" / "bin" / "python"
                    what = upgrade(str(python), cluster, Path(folder), seed, given.temporaries)
                print(f"seed {seed}: {what}", flush=True)
            finally:
                flows.end_started()
                cluster.stop()


@contextmanager
def _same(tree: Path) -> Iterator[Path]:
    yield tree


if __name__ == "__main__":
    main()
