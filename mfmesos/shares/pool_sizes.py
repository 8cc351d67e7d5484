"""The size of a pool's workers, and the cores of workers that a manager's tasks need. Pure; cores and MB."""
from __future__ import annotations

import math
from dataclasses import replace

from mfmesos.core.model import Resources
from mfmesos.core.sizing import how_many_fit
from mfmesos.shares.pool_values import UNLIMITED, ManagerStatus
from mfmesos.shares.water_filling import EPS

NONE = Resources()


def task_size(status: ManagerStatus, agent: Resources, at_least: Resources = NONE) -> Resources:
    """The assumed size of each task: the largest one's request in whole cores, but no more than an agent has.

    A task without requests is given a whole worker, so such a task counts as one core. `at_least`: what smaller workers
    were too small for.
    """
    task = status.largest
    cores = float(math.ceil(max(task.cores, at_least.cores, 1.0) - EPS))
    return Resources(min(cores, agent.cores), min(max(task.memory_mb, at_least.memory_mb), agent.memory_mb),
                     min(max(task.disk_mb, at_least.disk_mb), agent.disk_mb), min(task.gpus, agent.gpus))


def planned(status: ManagerStatus, within_capacity: bool) -> ManagerStatus:
    """The manager with the tasks that workers are for: those that its program has announced as well, as large as the
    others; `within_capacity`: no more than it can keep busy.
    """
    tasks = status.all_tasks
    if within_capacity and status.capacity:
        tasks = min(tasks, status.capacity)
    if tasks == status.tasks:
        return status
    wanted = status.wanted * (tasks / status.tasks) if status.tasks else status.largest * tasks
    running = min(status.tasks_running, tasks)
    return replace(status, tasks_waiting=tasks - running, tasks_running=running, wanted=wanted)


def slots_in(size: Resources, task: Resources) -> int:
    """The number of such tasks that run in a worker of this size; at least 1."""
    return max(how_many_fit(task, size, UNLIMITED), 1)


def part_of(agent: Resources, cores: float, overhead: Resources = NONE) -> Resources:
    """A worker with these cores of an agent, and as much of its memory and disk in proportion.

    Each worker costs the agent `overhead` beside its own size, so that as many such workers fit beside each other as
    the agent has cores for. `agent` is the largest worker, whose overhead is already taken off.
    """
    part = cores / agent.cores
    memory = math.floor((agent.memory_mb + overhead.memory_mb) * part) - overhead.memory_mb
    disk = math.floor((agent.disk_mb + overhead.disk_mb) * part) - overhead.disk_mb
    return Resources(cores, max(memory, 0.0), max(disk, 0.0))


def completed(given: Resources, agent: Resources, overhead: Resources = NONE) -> Resources:
    """A size of which a user gave only a part: the rest in proportion to an agent."""
    if given.cores and given.memory_mb and given.disk_mb:
        return given
    parts = [each / most for each, most in zip(amounts(given), amounts(agent)) if each and most]
    part = part_of(agent, min(max([*parts, 1.0 / agent.cores]), 1.0) * agent.cores, overhead)
    return Resources(given.cores or float(math.floor(part.cores + EPS)), given.memory_mb or part.memory_mb,
                     given.disk_mb or part.disk_mb, given.gpus)


def worker_size(task: Resources, missing_cores: float, agent: Resources, overhead: Resources = NONE,
                most_cores: float = math.inf) -> Resources:
    """A worker for as many tasks as are missing, at most a whole agent, and no more than `most_cores` if one task has
    less; memory and disk in proportion to its cores."""
    slots = max(min(slots_in(agent, task), int((min(missing_cores, most_cores) + EPS) / task.cores)), 1)
    part = part_of(agent, task.cores * slots, overhead)
    return Resources(part.cores, max(task.memory_mb * slots, part.memory_mb),
                     max(task.disk_mb * slots, part.disk_mb), task.gpus * slots)


def cores_needed(status: ManagerStatus, worker: Resources | None, agent: Resources, at_least: Resources = NONE,
                 ) -> float:
    """The cores of a manager's workers when all its tasks run at once. `worker`: their fixed size, if any.

    The smaller of two upper bounds: every task is as large as the largest; or workers are packed without a gap with the
    total request of all tasks.
    """
    task = task_size(status, agent, at_least)
    unit = worker or task
    if not status.tasks or not unit.fits_in(agent) or none_fits(status, agent):
        return 0.0
    all_alike = math.ceil(status.tasks / slots_in(unit, task)) * unit.cores
    if not status.largest.cores:
        return all_alike
    # Each core of a worker comes with memory and disk: the scarcest of the resources decides.
    whole = worker or agent
    packed = max(total * whole.cores / each for total, each in zip(amounts(status.wanted), amounts(whole)) if each)
    return min(all_alike, max(math.ceil(packed / unit.cores - EPS), 1) * unit.cores)


def none_fits(status: ManagerStatus, agent: Resources) -> bool:
    """Whether all tasks request as much as the largest, and that exceeds every agent."""
    return not status.largest.fits_in(agent) and any(
        total >= each * status.tasks - EPS and each > most + EPS
        for total, each, most in zip(amounts(status.wanted), amounts(status.largest), amounts(agent)))


def amounts(resources: Resources) -> tuple[float, float, float, float]:
    return resources.cores, resources.memory_mb, resources.disk_mb, resources.gpus


def workers_in(cores: float, size: Resources) -> int:
    """The number of workers of this size that have at most these cores together."""
    return UNLIMITED if math.isinf(cores) else max(math.floor((cores + EPS) / size.cores), 0)
