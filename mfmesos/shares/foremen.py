"""Workers for foremen: a foreman takes tasks from a manager, and workers connect to the foreman. Pure."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from mfmesos.shared.messages import pool as m
from mfmesos.shares.pool_values import NOTHING_SAID, ManagerStatus


def through_foremen(managers: Iterable[ManagerStatus], pattern: str) -> tuple[ManagerStatus, ...]:
    """The managers whose project matches `pattern` are foremen: the tasks that wait at the others or were announced
    there, and that no foreman has taken yet, are shared out among them evenly. The others get no workers of their own.
    """
    if not pattern:
        return tuple(managers)
    foremen: list[ManagerStatus] = []
    others: list[ManagerStatus] = []
    for one in managers:
        (foremen if re.fullmatch(pattern, one.project) else others).append(one)
    for one in others:
        foremen = [_with_part(foreman, one, number, len(foremen)) for number, foreman in enumerate(foremen)]
    served = m.POOL_BY_FOREMEN(pattern=pattern, foremen=len(foremen))
    return (*foremen, *(one if one.refuses else replace(one, refuses=served) for one in others))


def _with_part(foreman: ManagerStatus, manager: ManagerStatus, number: int, foremen: int) -> ManagerStatus:
    """The foreman with its part of the manager's waiting tasks; the running ones are the foremen's already."""
    waiting, left = (_part(tasks, number, foremen) for tasks in (manager.tasks_waiting, manager.tasks_left))
    if not waiting and not left:
        return foreman
    wanted = manager.wanted * (waiting / manager.tasks) if waiting else NOTHING_SAID
    return replace(foreman, tasks_waiting=foreman.tasks_waiting + waiting, tasks_left=foreman.tasks_left + left,
                   wanted=foreman.wanted + wanted, largest=foreman.largest.at_least(manager.largest))


def _part(tasks: int, number: int, foremen: int) -> int:
    tasks = max(tasks, 0)
    return tasks // foremen + (number < tasks % foremen)
