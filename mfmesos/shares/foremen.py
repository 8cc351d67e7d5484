"""Workers for foremen: a foreman takes tasks from a manager, and workers connect to the foreman. Pure."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from mfmesos.shared.messages import pool as m
from mfmesos.shares.pool_values import ManagerStatus


def through_foremen(managers: Iterable[ManagerStatus], pattern: str) -> tuple[ManagerStatus, ...]:
    """The managers whose project matches `pattern` are foremen: the tasks that wait at the others, and that no foreman
    has taken yet, are shared out among them evenly. The others get no workers of their own.
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
    waiting = max(manager.tasks_waiting, 0) + max(manager.tasks_left, 0)
    tasks = waiting // foremen + (number < waiting % foremen)
    if not tasks:
        return foreman
    wanted = manager.wanted * (tasks / manager.tasks) if manager.tasks else manager.largest * tasks
    return replace(foreman, tasks_waiting=foreman.tasks_waiting + tasks, wanted=foreman.wanted + wanted,
                   largest=foreman.largest.at_least(manager.largest))
