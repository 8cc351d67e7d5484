"""The keys of a task in JSON lines that say when and where it starts: `"priority": 5, "group": "alice",
"constraints": [["rack", "equals", "r1"], ["hostname", "unique"]], "network_mbps": 100, "placement": "pack"`; and how
often it is retried: `"retries": 2`.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mfmesos.core.model import COMPARED, COUNTED, GPU_TYPE, NETWORK, Constraint, Task
from mfmesos.shared.bounds import BOUND, COUNT, PRIORITY
from mfmesos.shared.choices import check_placement
from mfmesos.shared.messages import taskfiles as m
from mfmesos.taskfiles.entries import Problem
from mfmesos.taskfiles.jsonvalues import shown, text_of

SCHEDULING = ("priority", "group", "constraints", NETWORK, "placement", "retries")
OPS = (*COMPARED, *COUNTED)
WITH_VALUE = (*COMPARED, "max_per", "takes")


def scheduling(stated: Mapping[str, Any], gpu_type: str = "") -> dict[str, Any]:
    """The fields of the task that are not as by default; raises Problem. `gpu_type`: that of the GPUs that it needs."""
    found: dict[str, Any] = {}
    priority, group = stated.get("priority"), stated.get("group")
    if priority is not None:
        if not PRIORITY.holds(priority):
            raise Problem(m.PRIORITY_INVALID(value=shown(priority)), m.WRITE_PRIORITY(bounds=PRIORITY))
        found["priority"] = float(priority)
    if group is not None:
        found["group"] = text_of("group", group, m.WRITE_GROUP())
    retries = stated.get("retries")
    if retries is not None:
        if not COUNT.holds(retries):
            raise Problem(m.RETRIES_INVALID(value=shown(retries)), m.WRITE_RETRIES(bounds=COUNT))
        found["retries"] = int(retries)
    if stated.get("constraints"):
        found["where"] = where(stated["constraints"])
    if stated.get(NETWORK) is not None:
        found["where"] = (*found.get("where", ()), _taken(NETWORK, stated[NETWORK]))
    if gpu_type:
        found["where"] = (*found.get("where", ()), Constraint(GPU_TYPE, "equals", gpu_type))
    if stated.get("placement") is not None:
        found["placement"] = text_of("placement", stated["placement"], m.WRITE_PLACEMENT())
        try:
            check_placement(found["placement"])
        except ValueError as e:
            raise Problem(m.PLACEMENT_INVALID(why=str(e)), m.WRITE_PLACEMENT()) from None
    return found


def _taken(attribute: str, stated: Any) -> Constraint:
    """So much of it, as a number or, in a constraint, as a text."""
    try:
        amount = float(stated) if isinstance(stated, str) else stated
    except ValueError:
        amount = None
    if not BOUND.holds(amount):
        raise Problem(*m.CONSTRAINT_AMOUNT.parts(attribute=attribute, value=shown(stated), bounds=BOUND))
    return Constraint(attribute, "takes", f"{amount:.12g}")


def where(stated: Any) -> tuple[Constraint, ...]:
    """From a list of [ATTRIBUTE, OP] and [ATTRIBUTE, OP, VALUE]; raises Problem."""
    if not isinstance(stated, list):
        raise Problem(m.CONSTRAINT_INVALID(value=shown(stated)), m.WRITE_CONSTRAINT(ops=", ".join(OPS)))
    return tuple(map(_constraint, stated))


def _constraint(stated: Any) -> Constraint:
    texts = [str(one) if type(one) in (int, float) else one for one in stated] if isinstance(stated, list) else []
    if not 2 <= len(texts) <= 3 or not all(isinstance(one, str) and one for one in texts) or texts[1] not in OPS or (
            (len(texts) == 3) != (texts[1] in WITH_VALUE)):
        raise Problem(m.CONSTRAINT_INVALID(value=shown(stated)), m.WRITE_CONSTRAINT(ops=", ".join(OPS)))
    found = Constraint(*texts)
    if found.op == "takes":
        return _taken(found.attribute, found.value)
    if found.op == "max_per" and not (found.value.isascii() and found.value.isdigit() and 0 < int(found.value) < 10**9):
        raise Problem(*m.CONSTRAINT_COUNT.parts(value=shown(stated)))
    if found.op in ("like", "unlike"):
        try:
            re.compile(found.value)
        except (re.error, RecursionError, OverflowError) as e:
            raise Problem(*m.CONSTRAINT_PATTERN.parts(value=shown(stated), why=str(e))) from None
    return found


def formatted(task: Task) -> dict[str, Any]:
    """The reverse; None: as by default."""
    return {"priority": task.priority or None, "group": task.group or None,
            "constraints": [[part for part in one if part] for one in task.where] or None,
            "placement": task.placement or None, "retries": task.retries}
