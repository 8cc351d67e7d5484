"""The master's checks and refusals, in Mesos's words."""
from __future__ import annotations

from mfmesos.allocation.amounts import Amounts, Json
from mfmesos.local.cluster_records import Framework

CALLS_WITH_BODY = {
    "ACCEPT": "accept", "DECLINE": "decline", "ACCEPT_INVERSE_OFFERS": "accept_inverse_offers",
    "DECLINE_INVERSE_OFFERS": "decline_inverse_offers", "KILL": "kill", "SHUTDOWN": "shutdown",
    "ACKNOWLEDGE": "acknowledge", "RECONCILE": "reconcile", "MESSAGE": "message",
    "UPDATE_FRAMEWORK": "update_framework",
}
CALLS = {*CALLS_WITH_BODY, "SUBSCRIBE", "TEARDOWN", "REVIVE", "SUPPRESS", "REQUEST",
         "ACKNOWLEDGE_OPERATION_STATUS", "RECONCILE_OPERATIONS"}
EXECUTOR_CALLS = {"SUBSCRIBE": "subscribe", "UPDATE": "update", "MESSAGE": "message"}


class Refused(Exception):
    """A call that is answered with 400; the text is the response body."""


def scheduler_call(call: object) -> Json:
    """The call itself if its form is valid; otherwise raises Refused."""
    where = "Failed to validate scheduler::Call: "
    if not isinstance(call, dict) or call.get("type") not in CALLS:
        raise Refused(where + "Expecting 'type' to be present")
    kind = str(call["type"])
    if kind == "SUBSCRIBE":
        subscribe = call.get("subscribe")
        if not isinstance(subscribe, dict) or not isinstance(subscribe.get("framework_info"), dict):
            raise Refused(where + "Expecting 'subscribe' to be present")
        inner = subscribe["framework_info"].get("id")
        if call.get("framework_id") and inner != call["framework_id"]:
            raise Refused(where + "'framework_id' differs from 'subscribe.framework_info.id'")
        return call
    if not isinstance(call.get("framework_id"), dict):
        raise Refused(where + "Expecting 'framework_id' to be present")
    body = CALLS_WITH_BODY.get(kind)
    if body and not isinstance(call.get(body), dict):
        raise Refused(where + f"Expecting '{body}' to be present")
    return call


def executor_call(call: object) -> Json:
    """The same for an executor's call to its agent."""
    where = "Failed to validate Executor::Call: "
    if not isinstance(call, dict) or call.get("type") not in EXECUTOR_CALLS:
        raise Refused(where + "Expecting 'type' to be present")
    for name in ("framework_id", "executor_id", EXECUTOR_CALLS[call["type"]]):
        if not isinstance(call.get(name), dict):
            raise Refused(where + f"Expecting '{name}' to be present")
    if call["type"] == "UPDATE":
        status = call["update"].get("status", {})
        for name in ("uuid", "task_id", "state"):
            if not status.get(name):
                raise Refused(where + f"Expecting '{name}' to be present")
    return call


def framework_error(info: Json) -> str | None:
    """Why the framework cannot subscribe, or None."""
    for role in info.get("roles", ()):
        if role == "":
            return "'FrameworkInfo.roles' contains invalid role: Role names cannot be the empty string"
    if "user" not in info or "name" not in info:
        return "FrameworkInfo needs 'user' and 'name'"
    return None


def task_error(task: Json, framework: Framework, agent_id: str, available: Amounts) -> str | None:
    """Why the task gets TASK_ERROR, or None. `available` is the rest of the offers."""
    return (_form_error(task, framework, agent_id) or _executor_error(task, framework, agent_id)
            or _resources_error(task, framework, agent_id, available))


def id_error(text: str) -> str | None:
    if not text:
        return "ID must not be empty"
    if text in (".", ".."):
        return f"'{text}' is disallowed"
    if "/" in text or any(ord(c) < 32 or ord(c) == 127 for c in text):
        return f"'{text}' contains invalid characters"
    return None


def _form_error(task: Json, framework: Framework, agent_id: str) -> str | None:
    task_id = task["task_id"]["value"]
    if error := id_error(task_id):
        return error
    if task_id in framework.tasks:
        return f"Task has duplicate ID: {task_id}"
    given = task.get("agent_id", {}).get("value")
    if given != agent_id:
        return f"Task uses invalid agent {given} while agent {agent_id} is expected"
    if ("executor" in task) == ("command" in task):
        return "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    if "command" in task:
        return "The embedded cluster runs only tasks with an executor of their own"
    return None


def _executor_error(task: Json, framework: Framework, agent_id: str) -> str | None:
    executor = task["executor"]
    executor_id = executor.get("executor_id", {}).get("value", "")
    if error := id_error(executor_id):
        return f"Executor {error}"
    framework_id = executor.get("framework_id", {}).get("value", framework.id)
    if framework_id != framework.id:
        return f"ExecutorInfo has an invalid FrameworkID (Actual: {framework_id} vs Expected: {framework.id})"
    if "command" not in executor:
        return "Executor needs a CommandInfo"
    known = framework.executors.get((agent_id, executor_id))
    if known is not None and _comparable(known) != _comparable(executor):
        return ("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"
                f"ExecutorID: '{executor_id}'")
    return None


def _comparable(executor: Json) -> Json:
    return {k: v for k, v in executor.items() if k not in ("framework_id", "type")}


def _resources_error(task: Json, framework: Framework, agent_id: str, available: Amounts) -> str | None:
    try:
        wanted = Amounts.from_json(task.get("resources", ()))
        own = Amounts.from_json(task["executor"].get("resources", ()))
    except (KeyError, TypeError, ValueError) as e:
        return f"Task uses invalid resources: {e}"
    if not wanted:
        return "Task uses no resources"
    if (agent_id, task["executor"]["executor_id"]["value"]) not in framework.executors:
        wanted = wanted + own
    if not available.contains(wanted):
        return (f"Total resources {wanted.text(framework.role)} required by task and its executor is more than "
                f"available {available.text(framework.role)}")
    return None
