"""The keys of a task in JSON lines that say when it starts: `"priority": 5, "group": "alice"`."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mfmesos.core.model import Task
from mfmesos.shared.bounds import PRIORITY
from mfmesos.shared.messages import taskfiles as m
from mfmesos.taskfiles.entries import Problem
from mfmesos.taskfiles.jsonvalues import shown, text_of

SCHEDULING = ("priority", "group")


def scheduling(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the task that are not as by default; raises Problem."""
    found: dict[str, Any] = {}
    priority, group = stated.get("priority"), stated.get("group")
    if priority is not None:
        if not PRIORITY.holds(priority):
            raise Problem(m.PRIORITY_INVALID(value=shown(priority)), m.WRITE_PRIORITY(bounds=PRIORITY))
        found["priority"] = float(priority)
    if group is not None:
        found["group"] = text_of("group", group, m.WRITE_GROUP())
    return found


def formatted(task: Task) -> dict[str, Any]:
    """The reverse; None: as by default."""
    return {"priority": task.priority or None, "group": task.group or None}
