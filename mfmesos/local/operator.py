"""The calls of an operator to the master: v1 operator API (POST /api/v1)."""
from __future__ import annotations

import asyncio
from typing import Callable

from mfmesos.allocation.amounts import Json
from mfmesos.local import role_pages
from mfmesos.local.cluster_records import AgentRecord
from mfmesos.local.master import VERSION, Master
from mfmesos.local.validation import Refused

DRAIN_POLL_S = 0.1


class OperatorCalls:
    """handle() answers one call: the response body, or None for 202 without a body. Raises Refused."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self._drains: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, Callable[[Json], Json | None]] = {
            "MARK_AGENT_GONE": self._mark_gone, "DRAIN_AGENT": self._drain, "DEACTIVATE_AGENT": self._deactivate,
            "REACTIVATE_AGENT": self._reactivate, "TEARDOWN": self._teardown,
            "UPDATE_MAINTENANCE_SCHEDULE": self._set_maintenance, "GET_MAINTENANCE_SCHEDULE": self._maintenance,
            "UPDATE_WEIGHTS": self._set_weights,
            "GET_HEALTH": lambda _: {"get_health": {"healthy": True}},
            "GET_VERSION": lambda _: {"get_version": {"version_info": {"version": VERSION}}},
            "GET_MASTER": lambda _: {"get_master": {"master_info": self.master.info(),
                                                    "start_time": self.master.started}},
            "GET_AGENTS": self._agents,
            "GET_METRICS": lambda _: {"get_metrics": {"metrics": [
                {"name": name, "value": value} for name, value in role_pages.metrics(self.master).items()]}},
        }

    def handle(self, call: object) -> Json | None:
        where = "Failed to validate master::Call: "
        if not isinstance(call, dict) or call.get("type") not in self._handlers:
            raise Refused(where + "Expecting 'type' to be present")
        try:
            answer = self._handlers[call["type"]](call)
        except (KeyError, TypeError) as e:
            raise Refused(where + f"Expecting {e} to be present") from None
        return None if answer is None else {"type": call["type"], **answer}

    def close(self) -> None:
        for task in self._drains:
            task.cancel()

    def _record(self, body: Json) -> AgentRecord:
        record = self.master.agents.get(body["agent_id"]["value"])
        if record is None:
            raise Refused(f"Agent {body['agent_id']['value']} is not registered")
        return record

    def _mark_gone(self, call: Json) -> None:
        self.gone(call["mark_agent_gone"]["agent_id"]["value"])

    def gone(self, agent_id: str) -> None:
        """The agent never returns: its executors are killed, and it must register as a new agent."""
        record, lost = self.master.agents.get(agent_id), self.master.unreachable.pop(agent_id, None)
        agent = record.agent if record else lost
        if agent is None:
            raise Refused(f"Agent {agent_id} is not registered")
        self.master.gone.add(agent_id)
        self.master.remove_agent(agent_id, "TASK_GONE_BY_OPERATOR", "AGENT_REMOVED_BY_OPERATOR",
                                 "Agent marked gone by operator")
        for framework in list(agent.frameworks.values()):
            agent.shutdown_framework(framework.id)

    def _drain(self, call: Json) -> None:
        body = call["drain_agent"]
        record = self._record(body)
        record.active = False
        record.drain = {"state": "DRAINING", "config": {k: v for k, v in body.items() if k != "agent_id"}}
        self.master.withdraw_offers(lambda o: o.agent_id == record.id, tell=True)
        grace = body.get("max_grace_period")
        policy = {"grace_period": grace} if grace else None
        mark_gone = bool(body.get("mark_gone"))
        for framework in self.master.frameworks.values():
            for task in [t for t in framework.tasks.values() if t.agent_id == record.id]:
                record.agent.kill_task(framework.id, task.id, policy,
                                       drain="TASK_GONE_BY_OPERATOR" if mark_gone else "TASK_KILLED")
        watch = asyncio.ensure_future(self._watch_drain(record, mark_gone))
        self._drains.add(watch)
        watch.add_done_callback(self._drains.discard)

    async def _watch_drain(self, record: AgentRecord, mark_gone: bool) -> None:
        while any(t.agent_id == record.id for f in self.master.frameworks.values() for t in f.tasks.values()):
            await asyncio.sleep(DRAIN_POLL_S)
        if record.drain is not None:
            record.drain["state"] = "DRAINED"
            if mark_gone:
                self.gone(record.id)

    def _deactivate(self, call: Json) -> None:
        record = self._record(call["deactivate_agent"])
        record.active = False
        self.master.withdraw_offers(lambda o: o.agent_id == record.id, tell=True)

    def _reactivate(self, call: Json) -> None:
        record = self._record(call["reactivate_agent"])
        record.active, record.drain = True, None
        self.master.allocate_soon()

    def _teardown(self, call: Json) -> None:
        framework_id = call["teardown"]["framework_id"]["value"]
        framework = self.master.frameworks.get(framework_id)
        if framework is None:
            raise Refused("No framework found with specified ID")
        framework.send("ERROR", error={"message": "Framework has been removed"})
        self.master.remove_framework(framework)

    def _set_maintenance(self, call: Json) -> None:
        self.master.set_maintenance(call["update_maintenance_schedule"]["schedule"])

    def _set_weights(self, call: Json) -> None:
        for info in call["update_weights"]["weight_infos"]:
            weight = float(info["weight"])
            if weight <= 0:
                raise Refused(f"Invalid weight '{weight}': Weights must be positive")
            self.master.allocator.weights[str(info["role"])] = weight

    def _maintenance(self, call: Json) -> Json:
        return {"get_maintenance_schedule": {"schedule": self.master.maintenance}}

    def _agents(self, call: Json) -> Json:
        return {"get_agents": {"agents": [
            {"agent_info": r.agent.info(), "active": r.active, "version": VERSION, "total_resources":
             r.agent.total.to_json(), "registered_time": {"nanoseconds": int(r.registered_time * 1e9)},
             "pid": f"slave({r.agent.number})@127.0.0.1:{r.agent.port}"}
            for r in self.master.agents.values()]}}
