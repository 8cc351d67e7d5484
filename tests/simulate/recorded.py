"""A real run in a file, for its simulation: its cluster, its tasks with run times, its costs, its decisions."""
from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mfmesos.core import actions as act
from mfmesos.core.model import Resources
from mfmesos.core.policy import Policy
from mfmesos.simulate.cluster_model import AgentGroup, Cluster, Costs
from mfmesos.simulate.simulation import Simulation
from mfmesos.simulate.workload_files import load_workload
from mfmesos.simulate.workload_model import Workload

Decisions = list[list[Any]]


def decisions(actions: Iterable[act.Action]) -> Decisions:
    """In their order: claims that are opened, with their sizes, and attempts that are sent to one of them."""
    numbers: dict[str, int] = {}
    found: Decisions = []
    for action in actions:
        if isinstance(action, act.OpenClaim):
            numbers[action.claim_id] = len(numbers) + 1
            found.append(["open", len(numbers), action.resources.cores, action.resources.memory_mb])
        elif isinstance(action, act.AnswerSync):
            found += [["start", int(run.attempt.partition(".")[0]), numbers[action.claim_id]]
                      for run in action.answer.run]
    return found


def write(
        path: Path, agents: int, agent: Resources, costs: Costs, tasks: list[dict[str, Any]], made: Decisions) -> None:
    """`tasks` are lines of a task file with their measured "seconds"."""
    path.write_text("\n".join([
        "{" + f'"agents": {agents}, "agent": {json.dumps(agent[:3])}, "costs": {json.dumps(asdict(costs))},',
        '"tasks": [', ",\n".join(map(json.dumps, tasks)), '], "decisions": [', ",\n".join(map(json.dumps, made)), "]}",
        ""]))


def simulated(path: Path, folder: Path) -> tuple[Decisions, Decisions]:
    """What was decided in the real run, and what is decided in its simulation; `folder` is for its task file."""
    data = json.loads(path.read_text())
    file = folder / "timed.jsonl"
    file.write_text("".join(json.dumps(task) + "\n" for task in data["tasks"]))
    costs = Costs(**{**data["costs"], "first_starts_s": tuple(data["costs"]["first_starts_s"])})
    cluster = Cluster("real", (AgentGroup(data["agents"], Resources(*data["agent"])),), costs)
    simulation = Simulation(cluster, [Workload(path.stem, load_workload(str(file), 1).tasks)], Policy())
    core, seen = simulation.runs[0].core, []
    handle_all = core.handle_all

    def handle(batch: Any, now: float) -> list[act.Action]:
        made = handle_all(batch, now)
        seen.extend(made)
        return made

    core.handle_all = handle  # type: ignore[method-assign]
    simulation.run()
    return data["decisions"], decisions(seen)
