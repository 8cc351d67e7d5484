"""Task statuses and ids: values shared by masters, agents and the API."""
from __future__ import annotations

import base64
import time
import uuid

from mfmesos.allocation.amounts import Json

TERMINAL = frozenset({
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
    "TASK_GONE_BY_OPERATOR",
})


def value(text: str) -> Json:
    """Mesos wraps every id: {"value": ...}."""
    return {"value": text}


def new_uuid() -> str:
    """16 random bytes as base64; acknowledgements name an update by its uuid."""
    return base64.b64encode(uuid.uuid4().bytes).decode()


def status(
        task_id: str, state: str, source: str, message: str, *, reason: str | None = None, agent_id: str | None = None,
        executor_id: str | None = None, uuid: str | None = None) -> Json:
    """A TaskStatus. An update without `uuid` needs no acknowledgement. `source` is MASTER or AGENT."""
    found: Json = {"task_id": value(task_id), "state": state, "message": message, "source": f"SOURCE_{source}",
                   "timestamp": time.time()}
    if reason:
        found["reason"] = f"REASON_{reason}"
    if agent_id:
        found["agent_id"] = value(agent_id)
    if executor_id:
        found["executor_id"] = value(executor_id)
    if uuid:
        found["uuid"] = uuid
    return found


def partition_aware(framework_info: Json) -> bool:
    """Whether the framework accepts TASK_DROPPED, TASK_UNREACHABLE, ... instead of TASK_LOST."""
    return has_capability(framework_info, "PARTITION_AWARE")


def has_capability(framework_info: Json, name: str) -> bool:
    return any(c.get("type") == name for c in framework_info.get("capabilities", ()))


def seconds(duration: Json | None, default: float) -> float:
    """A DurationInfo in seconds."""
    return default if not duration else float(duration["nanoseconds"]) / 1e9
