"""A workflow in WfCommons's WfFormat, versions 1.5 and 1.6, as tasks to simulate."""
from __future__ import annotations

import re
from typing import Any

from mfmesos.core.model import Request
from mfmesos.settings.config import ConfigError
from mfmesos.shared.bounds import AMOUNT
from mfmesos.shared.messages import simulate as m
from mfmesos.shared.phrases import printable
from mfmesos.simulate.checked_json import Checked
from mfmesos.simulate.workload_model import SimTask

VERSIONS = ("1.5", "1.6")
NUMBER = re.compile(r"[-_.]*(ID)?[-_.]*\d+$")
MB = 2**20


def wfformat_tasks(path: str, stated: dict[str, Any]) -> list[SimTask]:
    """Parents first; raises ConfigError. Memory and cores are requested as far as the file has them."""
    version = str(stated.get("schemaVersion", ""))
    if version not in VERSIONS:
        raise ConfigError(m.SIMULATED_WFFORMAT(path=path, version=printable(version, 20) or "unknown"))
    workflow = Checked(path, stated["workflow"], "workflow")
    specification, execution = workflow.part("specification"), workflow.part("execution")
    sizes = {file.text("id"): file.number("sizeInBytes", 0.0) / MB for file in specification.parts("files", [])}
    measured = {task.text("id"): task for task in execution.parts("tasks")}
    stated_tasks = [(task.text("id"), task) for task in specification.parts("tasks")]
    numbers = {task_id: number for number, (task_id, _) in enumerate(stated_tasks, 1)}
    found = {}
    for task_id, task in stated_tasks:
        parents = task.any("parents", [])
        for parent in parents:
            if parent not in numbers:
                raise ConfigError(m.SIMULATED_PARENT_UNKNOWN(
                    path=path, task=printable(task_id, 40), parent=printable(str(parent), 40)))
        input_mb = sum(sizes.get(name, 0.0) for name in task.any("inputFiles", []))
        found[numbers[task_id]] = _task(
            numbers[task_id], task, measured.get(task_id) or task, input_mb, tuple(numbers[p] for p in parents))
    return _in_order(found)


def _task(number: int, task: Checked, measured: Checked, input_mb: float, parents: tuple[int, ...]) -> SimTask:
    cores = measured.number("coreCount", 1.0) or 1.0
    memory_mb = measured.number("memoryInBytes", 0.0, AMOUNT) / MB
    name = task.text("category", "") or NUMBER.sub("", task.text("name", task.text("id")))
    return SimTask(
        number, name, measured.number("runtimeInSeconds"), cores, memory_mb, 0.0,
        Request(cores, memory_mb or None), input_mb or None, parents=parents)


def _in_order(tasks: dict[int, SimTask]) -> list[SimTask]:
    """Parents before children, otherwise as in the file. What is left of a cycle never starts, and comes last."""
    order: list[SimTask] = []
    placed: set[int] = set()
    left = list(tasks.values())
    while left:
        ready = [task for task in left if all(p in placed for p in task.parents)]
        if not ready:
            return order + left
        order += ready
        placed.update(task.id for task in ready)
        left = [task for task in left if task.id not in placed]
    return order
