"""Three workflows on a real Mesos, and the same simulated with the run times and the costs that were measured there.

    python3 bench/simulated_runs.py [--most SHARE] [--only NAME...] [--record FOLDER]        (make bench-simulate)

Tasks sleep, so that a busy machine changes their run times little. Both makespans begin with the first offer. Exits 1
if they differ by more than SHARE (0.1) of the real one in any workflow. --record writes each real run to a file there,
as tests/simulate/recordings has them.
"""
from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "simulate"), str(Path(__file__).resolve().parent)]

import recorded  # noqa: E402  needs the path above
from clusters import RealMesos  # noqa: E402
from logged_calls import calls  # noqa: E402

from mfmesos.core import actions as act  # noqa: E402
from mfmesos.core import events as ev  # noqa: E402
from mfmesos.core.model import Resources  # noqa: E402
from mfmesos.core.policy import Policy  # noqa: E402
from mfmesos.simulate.cluster_model import AgentGroup, Cluster, Costs  # noqa: E402
from mfmesos.simulate.simulation import Simulation  # noqa: E402
from mfmesos.simulate.workload_files import load_workload  # noqa: E402
from mfmesos.simulate.workload_model import Workload  # noqa: E402

AGENTS, AGENT = 2, Resources(4, 4096, 20000)
Lines = list[dict[str, Any]]


def sweep() -> Lines:
    """Independent tasks of one core."""
    rng = random.Random(1)
    return [_task(f"o{i}", rng.lognormvariate(0.5, 0.5), 1) for i in range(60)]


def mixed() -> Lines:
    """Independent tasks of one to four cores."""
    rng = random.Random(2)
    return [_task(f"o{i}", rng.lognormvariate(0.5, 0.6), rng.choice((1, 1, 1, 2, 4))) for i in range(40)]


def stages() -> Lines:
    """Three times a task that 12 others depend on, which one depends on."""
    rng = random.Random(3)
    found = [_task("s0", 1.0, 1)]
    for stage in range(3):
        middle = [_task(f"m{stage}.{i}", rng.lognormvariate(0.3, 0.5), 1, f"s{stage}") for i in range(12)]
        found += [*middle, _task(f"s{stage + 1}", 1.0, 1, *(task["outputs"][0] for task in middle))]
    return found


def _task(name: str, seconds: float, cores: float, *inputs: str) -> dict[str, Any]:
    return {"command": f"sleep {seconds:.2f}; echo > {name}", "inputs": list(inputs), "outputs": [name],
            "cores": cores, "memory": 64, "disk": 5}


WORKFLOWS = {"sweep": sweep, "mixed": mixed, "stages": stages}


@dataclass
class Seen:
    """Of one real run, from its event log."""

    makespan_s: float = 0.0
    wall_s: dict[int, float] = field(default_factory=dict)
    """By task."""
    costs: Costs = field(default_factory=Costs)
    decisions: recorded.Decisions = field(default_factory=list)


def read(folder: Path) -> Seen:
    seen = Seen()
    seen.decisions = recorded.decisions(action for _, _, actions in calls(folder) for action in actions)
    first = last = 0.0
    opened, answered, publishing = {}, {}, {}
    starts: dict[str, float] = {}
    task_s, publish_s = [], []
    for now, events, actions in calls(folder):
        if not first and any(isinstance(event, ev.OffersReceived) for event in events):
            first = now
        last = now if any(isinstance(action, act.ReportTask) for action in actions) else last
        for event in events:
            if isinstance(event, ev.ClaimSynced):
                if opened[event.claim_id] is not None:
                    starts[event.claim_id] = now - opened[event.claim_id]
                    opened[event.claim_id] = None
                for result in event.results:
                    wall_s = result.usage.wall_s
                    seen.wall_s[_number(result.attempt)] = wall_s
                    task_s.append(now - answered[result.attempt] - wall_s)
            elif isinstance(event, ev.OutputsPublished):
                publish_s.append(now - publishing[event.attempt_id])
        for action in actions:
            if isinstance(action, act.OpenClaim):
                opened[action.claim_id] = starts[action.claim_id] = now
            elif isinstance(action, act.AnswerSync):
                answered.update((run.attempt, now) for run in action.answer.run)
            elif isinstance(action, act.PublishOutputs):
                publishing[action.attempt_id] = now
    seen.makespan_s = last - first
    sync_s = Costs().sync_s
    seen.costs = Costs(statistics.fmean(starts.values()), sync_s, max(statistics.fmean(task_s) - sync_s, 0.0),
                       statistics.fmean(publish_s), first_starts_s=tuple(starts.values()))
    return seen


def _number(attempt: str) -> int:
    return int(attempt.partition(".")[0])


def compare(name: str, lines: Lines, master: str, folder: Path, record: Path | None) -> float:
    """Runs and simulates; returns by which part of the real makespan they differ."""
    folder.mkdir()
    file = folder / "tasks.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = subprocess.run(
        [sys.executable, "-m", "mfmesos", "run", "--master", master, "--plain", "--no-history", "--event-log",
         str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    seen = read(folder / ".mfmesos")
    # As the engine numbered them: ids are the lines' numbers.
    timed = [{**line, "seconds": round(seen.wall_s[number], 4)} for number, line in enumerate(lines, 1)]
    (folder / "timed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in timed))
    if record is not None:
        recorded.write(record / f"{name}.json", AGENTS, AGENT, seen.costs, timed, seen.decisions)
    workload = load_workload(str(folder / "timed.jsonl"), 1)
    simulation = Simulation(Cluster("real", (AgentGroup(AGENTS, AGENT),), seen.costs),
                            [Workload(name, workload.tasks)], Policy())
    simulation.run()
    measures = simulation.runs[0].measures
    assert measures.finished == len(lines)
    real, simulated = seen.makespan_s, measures.last_s - measures.first_s
    off = simulated / real - 1
    print(f"{name:8} real {real:6.2f} s, simulated {simulated:6.2f} s, {off:+.1%}; start {seen.costs.start_s:.2f} s, "
          f"task {1000 * seen.costs.task_s:.0f} ms, publish {1000 * seen.costs.publish_s:.0f} ms", flush=True)
    return abs(off)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=float, default=0.1)
    parser.add_argument("--only", nargs="+", default=sorted(WORKFLOWS), choices=sorted(WORKFLOWS))
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mfmesos-bench-") as folder:
        cluster = RealMesos(agents=AGENTS, resources="cpus:4;mem:4096;disk:20000")
        try:
            off = [compare(name, WORKFLOWS[name](), cluster.master, Path(folder) / name, options.record)
                   for name in options.only]
        finally:
            cluster.stop()
    return 0 if max(off) <= options.most else 1


if __name__ == "__main__":
    sys.exit(main())
