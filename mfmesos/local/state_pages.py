"""/state, /state-summary and /slaves, in the formats of Mesos 1.11."""
from __future__ import annotations

from collections.abc import Iterable

from mfmesos.allocation.amounts import Amounts, Json, total
from mfmesos.local.agent import Agent
from mfmesos.local.cluster_records import AgentRecord, Framework, Task
from mfmesos.local.executors import AgentFramework, AgentTask, Executor
from mfmesos.local.master import VERSION, Master

BUILD = {"version": VERSION, "build_user": "mfmesos", "build_date": "", "build_time": 0.0}
CAPABILITIES = ["MULTI_ROLE", "AGENT_DRAINING"]


def master_state(master: Master) -> Json:
    pid = f"master@127.0.0.1:{master.port}"
    return {
        **BUILD, "id": master.id, "pid": pid, "hostname": "localhost", "start_time": master.started,
        "elected_time": master.started, "leader": pid,
        "leader_info": {"id": master.id, "pid": pid, "port": master.port, "hostname": "localhost"},
        "capabilities": ["AGENT_UPDATE", "AGENT_DRAINING"], "flags": {},
        "activated_slaves": float(sum(a.active for a in master.agents.values())),
        "deactivated_slaves": float(sum(not a.active for a in master.agents.values())),
        "unreachable_slaves": float(len(master.unreachable)), **slaves(master),
        "frameworks": [framework(f, master) for f in master.frameworks.values()],
        "completed_frameworks": [framework(f, master) for f in master.completed.values()],
        "orphan_tasks": [], "unregistered_frameworks": [],
    }


SUMMED = ("id", "name", "used_resources", "offered_resources", "capabilities", "hostname", "webui_url", "active",
          "connected", "recovered")


def summary(master: Master) -> Json:
    """What each framework holds, without its tasks."""
    return {"hostname": "localhost", "cluster": "", **slaves(master), "frameworks": [
        {key: found[key] for key in SUMMED} for found in (framework(f, master) for f in master.frameworks.values())]}


def slaves(master: Master) -> Json:
    return {"slaves": [_slave(record, master) for record in master.agents.values()], "recovered_slaves": []}


def _slave(record: AgentRecord, master: Master) -> Json:
    agent = record.agent
    offered = total(o.amounts for o in master.offers.values() if o.agent_id == record.id)
    used = total(f.used_on(record.id) for f in master.frameworks.values())
    found: Json = {
        "id": record.id, "hostname": agent.hostname, "port": agent.port, "attributes": agent.attributes,
        "pid": f"slave({agent.number})@127.0.0.1:{agent.port}", "registered_time": record.registered_time,
        "resources": agent.total.view(), "used_resources": used.view(), "offered_resources": offered.view(),
        "reserved_resources": {}, "unreserved_resources": agent.total.view(), "active": record.active,
        "deactivated": not record.active, "version": VERSION, "capabilities": CAPABILITIES,
        "reserved_resources_full": {}, "unreserved_resources_full": agent.total.to_json(),
        "used_resources_full": used.to_json(), "offered_resources_full": offered.to_json()}
    if record.drain is not None:
        found["drain_info"] = record.drain
    return found


def framework(one: Framework, master: Master) -> Json:
    offered = total(o.amounts for o in master.offers.values() if o.framework_id == one.id)
    return {
        "id": one.id, "name": one.info.get("name", ""), "user": one.info.get("user", ""),
        "used_resources": one.used().view(), "offered_resources": offered.view(),
        "resources": (one.used() + offered).view(), "roles": one.info.get("roles", [one.role]),
        "capabilities": [c["type"] for c in one.info.get("capabilities", ()) if "type" in c],
        "hostname": one.info.get("hostname", ""), "webui_url": one.info.get("webui_url", ""),
        "active": one.active, "connected": one.active, "recovered": one.recovered,
        "failover_timeout": one.failover_timeout, "checkpoint": bool(one.info.get("checkpoint")),
        "registered_time": one.registered_time, "unregistered_time": 0.0,
        "principal": one.info.get("principal", ""), **_labels(one.info),
        "tasks": [_task(t) for t in one.tasks.values()],
        "unreachable_tasks": [_task(t) for t in one.unreachable.values()],
        "completed_tasks": [_task(t) for t in one.completed],
        "offers": [{"id": o.id, "framework_id": one.id, "slave_id": o.agent_id, "resources": o.amounts.view()}
                   for o in master.offers.values() if o.framework_id == one.id],
        "executors": [{"executor_id": e, "name": i.get("name", ""), "framework_id": one.id, "slave_id": a,
                       "resources": Amounts.from_json(i.get("resources", ())).view()}
                      for (a, e), i in one.executors.items()],
    }


def _labels(info: Json) -> Json:
    found = info.get("labels", {}).get("labels", [])
    return {"labels": found} if found else {}


def _task(task: Task) -> Json:
    return _task_json(task.info, task.framework_id, task.executor_id, task.agent_id, task.state, task.statuses)


def _task_json(
        info: Json, framework_id: str, executor_id: str, agent_id: str, state: str, statuses: Iterable[Json]) -> Json:
    return {"id": info["task_id"]["value"], "name": info.get("name", ""), "framework_id": framework_id,
            "executor_id": executor_id, "slave_id": agent_id, "state": state,
            "resources": Amounts.from_json(info["resources"]).view(), "role": "*", **_labels(info),
            "statuses": [{k: s[k] for k in ("state", "timestamp", "container_status") if k in s} for s in statuses]}


def agent_state(agent: Agent) -> Json:
    return {
        **BUILD, "id": agent.id, "pid": f"slave({agent.number})@127.0.0.1:{agent.port}", "hostname": agent.hostname,
        "start_time": agent.started, "capabilities": CAPABILITIES, "resources": agent.total.view(),
        "unreserved_resources": agent.total.view(), "reserved_resources": {},
        "unreserved_resources_allocated": agent.used().view(), "attributes": agent.attributes, "flags": {},
        "master_hostname": "localhost" if agent.master is not None else "",
        "frameworks": [_agent_framework(f, agent) for f in agent.frameworks.values()],
        "completed_frameworks": [_agent_framework(f, agent) for f in agent.completed_frameworks],
    }


def _agent_framework(one: AgentFramework, agent: Agent) -> Json:
    return {"id": one.id, "name": one.info.get("name", ""), "user": one.info.get("user", ""),
            "roles": one.info.get("roles", []), "checkpoint": bool(one.info.get("checkpoint")),
            "executors": [_executor(e, agent) for e in one.executors.values()],
            "completed_executors": [_executor(e, agent) for e in one.completed]}


def _executor(one: Executor, agent: Agent) -> Json:
    def shown(tasks: Iterable[AgentTask]) -> list[Json]:
        return [_task_json(t.info, one.framework_id, one.id, agent.id, t.state, t.statuses) for t in tasks]

    return {"id": one.id, "name": one.info.get("name", ""), "source": "", "container": one.container.id,
            "directory": str(one.container.sandbox), "resources": one.used.view(), "role": "*", "type": "CUSTOM",
            "tasks": shown(t for t in one.tasks.values() if not t.queued),
            "queued_tasks": shown(t for t in one.tasks.values() if t.queued), "completed_tasks": shown(one.completed)}
