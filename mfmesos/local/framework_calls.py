"""The calls of a framework to the master: every call of the v1 scheduler API except SUBSCRIBE."""
from __future__ import annotations

from typing import Callable

from mfmesos.allocation.amounts import Amounts, Json, total
from mfmesos.local.cluster_records import AgentRecord, Framework, Offer, Task
from mfmesos.local.master import Master
from mfmesos.local.task_status import TERMINAL, status, value
from mfmesos.local.validation import task_error


class SchedulerCalls:
    """handle() carries out one validated call of a framework; failures are reported as events."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self._handlers: dict[str, Callable[[Framework, Json], None]] = {
            "ACCEPT": self._accept, "DECLINE": self._decline, "REVIVE": self._revive, "SUPPRESS": self._suppress,
            "KILL": self._kill, "SHUTDOWN": self._shutdown, "ACKNOWLEDGE": self._acknowledge,
            "RECONCILE": self._reconcile, "MESSAGE": self._message, "TEARDOWN": self._teardown,
            "ACCEPT_INVERSE_OFFERS": self._answer_inverse, "DECLINE_INVERSE_OFFERS": self._answer_inverse,
            "UPDATE_FRAMEWORK": self._update_framework,
        }

    def handle(self, framework: Framework, call: Json) -> None:
        handler = self._handlers.get(call["type"])
        if handler is not None:  # REQUEST and calls about operations have no effect here
            handler(framework, call)

    # --- offers ----------------------------------------------------------------------------------
    def _accept(self, framework: Framework, call: Json) -> None:
        accept = call["accept"]
        ids = [o["value"] for o in accept.get("offer_ids", ())]
        error = self._offers_error(framework, ids)
        offers = [self.master.offers[i] for i in dict.fromkeys(ids) if self._own(framework, i)]
        for offer in offers:
            self.master.take_back(offer)
        launches = [o for o in accept.get("operations", ()) if o.get("type") in ("LAUNCH", "LAUNCH_GROUP")]
        if error is not None:
            for offer in offers:
                self.master.refuse(framework, offer.agent_id, offer.amounts, accept.get("filters", {}))
            for task in _tasks(launches):
                self._reject(framework, task, "TASK_DROPPED", f"Task launched with invalid offers: {error}",
                             "INVALID_OFFERS")
            return
        framework.offers_accepted += len(offers)
        record = self.master.agents[offers[0].agent_id]
        left = total(o.amounts for o in offers)
        for operation in launches:
            if operation["type"] == "LAUNCH_GROUP":
                for task in _tasks([operation]):
                    self._reject(framework, task, "TASK_ERROR", "The embedded cluster knows no task groups",
                                 "TASK_GROUP_INVALID")
                continue
            for task in _tasks([operation]):
                left = self._launch(framework, record, task, left)
        self.master.refuse(framework, record.id, left, accept.get("filters", {}))

    def _own(self, framework: Framework, offer_id: str) -> bool:
        offer = self.master.offers.get(offer_id)
        return offer is not None and offer.framework_id == framework.id

    def _offers_error(self, framework: Framework, ids: list[str]) -> str | None:
        if not ids:
            return "No offers specified"
        if len(set(ids)) != len(ids):
            return f"Duplicate offer {ids[0]} in offer list"
        for offer_id in ids:
            if offer_id not in self.master.offers:
                return f"Offer {offer_id} is no longer valid"
            if not self._own(framework, offer_id):
                return f"Offer {offer_id} has invalid framework"
        if len({self.master.offers[i].agent_id for i in ids}) > 1:
            return "Aggregated offers must belong to one single agent"
        return None

    def _launch(self, framework: Framework, record: AgentRecord, task: Json, left: Amounts) -> Amounts:
        """The rest of the offers after this task."""
        error = task_error(task, framework, record.id, left)
        if error is not None:
            self._reject(framework, task, "TASK_ERROR", error, "TASK_INVALID")
            return left
        executor = task["executor"]
        executor_id = executor["executor_id"]["value"]
        made = Task(task, framework.id, executor_id, record.id)
        used = made.amounts
        if (record.id, executor_id) not in framework.executors:
            framework.executors[(record.id, executor_id)] = executor
            used = used + Amounts.from_json(executor.get("resources", ()))
        framework.tasks[made.id] = made
        record.free = record.free - used
        record.agent.run_task(framework.info, executor, task)
        return left - used

    def _reject(self, framework: Framework, task: Json, state: str, message: str, reason: str) -> None:
        if state == "TASK_DROPPED" and not framework.partition_aware:
            state = "TASK_LOST"
        framework.send("UPDATE", update={"status": status(
            task["task_id"]["value"], state, "MASTER", message, reason=reason,
            agent_id=task.get("agent_id", {}).get("value"))})

    def _decline(self, framework: Framework, call: Json) -> None:
        decline = call["decline"]
        for offer_id in decline.get("offer_ids", ()):
            if self._own(framework, offer_id["value"]):
                offer: Offer = self.master.offers[offer_id["value"]]
                self.master.take_back(offer)
                framework.offers_declined += 1
                self.master.refuse(framework, offer.agent_id, offer.amounts, decline.get("filters", {}))

    def _revive(self, framework: Framework, call: Json) -> None:
        framework.suppressed = False
        framework.filters.clear()
        self.master.allocate_soon()

    def _suppress(self, framework: Framework, call: Json) -> None:
        framework.suppressed = True

    def _update_framework(self, framework: Framework, call: Json) -> None:
        framework.info = {**call["update_framework"]["framework_info"], "id": value(framework.id)}

    # --- tasks -----------------------------------------------------------------------------------
    def _kill(self, framework: Framework, call: Json) -> None:
        kill = call["kill"]
        task = framework.tasks.get(kill["task_id"]["value"])
        if task is None:
            self._reconcile_one(framework, kill)
        elif record := self.master.agents.get(task.agent_id):
            record.agent.kill_task(framework.id, task.id, kill.get("kill_policy"))

    def _shutdown(self, framework: Framework, call: Json) -> None:
        shutdown = call["shutdown"]
        if record := self.master.agents.get(shutdown["agent_id"]["value"]):
            record.agent.shutdown_executor(framework.id, shutdown["executor_id"]["value"])

    def _acknowledge(self, framework: Framework, call: Json) -> None:
        acknowledge = call["acknowledge"]
        record = self.master.agents.get(acknowledge["agent_id"]["value"])
        if record is None:
            return
        task_id = acknowledge["task_id"]["value"]
        record.agent.acknowledge(framework.id, task_id, acknowledge["uuid"])
        task = framework.tasks.get(task_id)
        if task is not None and task.state in TERMINAL and not record.agent.updates.pending(framework.id, task_id):
            del framework.tasks[task_id]
            framework.completed.append(task)

    def _message(self, framework: Framework, call: Json) -> None:
        message = call["message"]
        if record := self.master.agents.get(message["agent_id"]["value"]):
            record.agent.message(framework.id, message["executor_id"]["value"], message["data"])

    def _teardown(self, framework: Framework, call: Json) -> None:
        self.master.remove_framework(framework)

    def _answer_inverse(self, framework: Framework, call: Json) -> None:
        body = call[call["type"].lower()]
        for offer_id in body.get("inverse_offer_ids", ()):
            inverse = self.master.inverse_offers.get(offer_id["value"])
            if inverse is not None and inverse.framework_id == framework.id:
                inverse.answer = "ACCEPT" if call["type"].startswith("ACCEPT") else "DECLINE"

    # --- reconciliation --------------------------------------------------------------------------
    def _reconcile(self, framework: Framework, call: Json) -> None:
        asked = call["reconcile"].get("tasks", ())
        if asked:
            for one in asked:
                self._reconcile_one(framework, one)
            return
        for task in framework.tasks.values():
            self._tell_state(framework, task)
        for task in framework.unreachable.values():
            self._tell_state(framework, task)

    def _tell_state(self, framework: Framework, task: Task) -> None:
        made = status(task.id, task.state, "MASTER", "Reconciliation: Latest task state", reason="RECONCILIATION",
                      agent_id=task.agent_id, executor_id=task.executor_id)
        if task.statuses and "container_status" in task.statuses[-1]:
            made["container_status"] = task.statuses[-1]["container_status"]
        framework.send("UPDATE", update={"status": made})

    def _reconcile_one(self, framework: Framework, asked: Json) -> None:
        """Follows the table in Mesos's docs/reconciliation.md: the known state, otherwise the fate of the agent."""
        task_id, agent_id = asked["task_id"]["value"], asked.get("agent_id", {}).get("value")
        task = framework.tasks.get(task_id) or framework.unreachable.get(task_id)
        if task is not None:
            self._tell_state(framework, task)
            return
        if agent_id in self.master.agents:
            state, message = "TASK_GONE", "Task is unknown to the agent"
        elif agent_id in self.master.gone:
            state, message = "TASK_GONE_BY_OPERATOR", "Task is gone by operator"
        elif agent_id in self.master.unreachable:
            state, message = "TASK_UNREACHABLE", "Task is unreachable"
        else:
            state, message = "TASK_UNKNOWN", "Task is unknown"
        if not framework.partition_aware:
            state = "TASK_LOST"
        framework.send("UPDATE", update={"status": status(
            task_id, state, "MASTER", f"Reconciliation: {message}", reason="RECONCILIATION", agent_id=agent_id)})


def _tasks(launches: list[Json]) -> list[Json]:
    found: list[Json] = []
    for operation in launches:
        if operation["type"] == "LAUNCH":
            found += operation["launch"].get("task_infos", ())
        else:
            found += operation["launch_group"]["task_group"].get("tasks", ())
    return found
