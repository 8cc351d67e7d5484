"""The master of the embedded cluster: frameworks, offers and tasks, with the behaviour of the Mesos v1 scheduler
API.
"""
from __future__ import annotations

import asyncio
import random
import time
import uuid
from typing import Callable

from mfmesos.allocation.allocator import INTERVAL_S, REFUSE_S, Allocator
from mfmesos.allocation.amounts import Amounts, Json, total
from mfmesos.local.agent import Agent
from mfmesos.local.cluster_records import AgentRecord, Framework, InverseOffer, Offer, Task, offer_json
from mfmesos.local.event_stream import EventStream
from mfmesos.local.task_status import TERMINAL, status, value
from mfmesos.local.validation import Refused, framework_error

VERSION = "1.11.0"
"""The version of Apache Mesos that this master emulates."""
HEARTBEAT_S = 15.0
SOON_S = 0.005


class Master:
    """One term of a leading master. Not thread-safe: lives in one event loop. `port` is its port."""

    def __init__(
            self, port: int, clock: Callable[[], float] = time.monotonic, rng: random.Random | None = None,
            interval_s: float = INTERVAL_S) -> None:
        self.id = str(uuid.uuid4())
        self.port, self.clock, self.interval_s = port, clock, interval_s
        self.allocator = Allocator(rng or random.Random())
        self.started = time.time()
        self.frameworks: dict[str, Framework] = {}
        self.completed: dict[str, Framework] = {}
        self.agents: dict[str, AgentRecord] = {}
        self.unreachable: dict[str, Agent] = {}
        self.gone: set[str] = set()
        self.offers: dict[str, Offer] = {}
        self.inverse_offers: dict[str, InverseOffer] = {}
        self.maintenance: Json = {"windows": []}
        self._numbers = {"O": 0, "S": 0, "": 0}
        self._soon: asyncio.TimerHandle | None = None
        self._batch: asyncio.Task[None] | None = None

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        self._batch = asyncio.ensure_future(self._allocate_for_ever())

    def stop(self) -> None:
        """End every stream; the frameworks' tasks continue."""
        for timer in (self._soon, *(f.failover for f in self.frameworks.values())):
            if timer is not None:
                timer.cancel()
        if self._batch is not None:
            self._batch.cancel()
        for framework in self.frameworks.values():
            if framework.stream is not None:
                framework.stream.close()
                framework.stream = None

    def next_id(self, letter: str) -> str:
        number = self._numbers[letter]
        self._numbers[letter] += 1
        return f"{self.id}-{letter}{number}" if letter else f"{self.id}-{number:04d}"

    def info(self) -> Json:
        return {"id": self.id, "ip": 16777343, "port": self.port, "pid": f"master@127.0.0.1:{self.port}",
                "hostname": "localhost", "version": VERSION,
                "address": {"hostname": "localhost", "ip": "127.0.0.1", "port": self.port},
                "capabilities": [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}]}

    # --- frameworks ------------------------------------------------------------------------------
    def subscribe(self, call: Json) -> EventStream:
        """SUBSCRIBE: the first one, a repeated one, or one after a failover of either side."""
        info = dict(call["subscribe"]["framework_info"])
        stream = EventStream(HEARTBEAT_S)
        framework_id = info.get("id", {}).get("value") or ""
        error = framework_error(info)
        if framework_id in self.completed:
            error = "Framework has been removed"
        if error:
            stream.send("ERROR", error={"message": error})
            stream.close()
            return stream
        framework_id = framework_id or self.next_id("")
        info["id"] = value(framework_id)
        framework = self.frameworks.get(framework_id)
        if framework is None:
            framework = self.frameworks[framework_id] = Framework(framework_id, info)
        else:
            self._replace_stream(framework)
        framework.info, framework.stream, framework.recovered = info, stream, False
        framework.suppressed = framework.role in call["subscribe"].get("suppressed_roles", ())
        framework.filters.clear()
        framework.send("SUBSCRIBED", subscribed={
            "framework_id": value(framework_id), "heartbeat_interval_seconds": HEARTBEAT_S,
            "master_info": self.info()})
        framework.send("HEARTBEAT")
        for record in self.agents.values():
            record.agent.framework_back(framework_id, info)
        self.allocate_soon()
        return stream

    def _replace_stream(self, framework: Framework) -> None:
        if framework.failover is not None:
            framework.failover.cancel()
            framework.failover = None
        if framework.stream is not None:
            framework.send("ERROR", error={"message": "Framework failed over"})
            framework.stream.close()
        self.withdraw_offers(lambda o: o.framework_id == framework.id, tell=False)

    def stream_closed(self, stream: EventStream) -> None:
        """The connection to a framework has ended; the framework may return within `failover_timeout`."""
        for framework in list(self.frameworks.values()):
            if framework.stream is stream:
                framework.stream = None
                self.withdraw_offers(lambda o, f=framework: o.framework_id == f.id, tell=False)  # type: ignore[misc]
                framework.failover = asyncio.get_running_loop().call_later(
                    framework.failover_timeout, self.remove_framework, framework)

    def remove_framework(self, framework: Framework) -> None:
        """Shut down all its executors, and never accept the framework again."""
        if self.frameworks.pop(framework.id, None) is None:
            return
        self.completed[framework.id] = framework
        if framework.failover is not None:
            framework.failover.cancel()
        if framework.stream is not None:
            framework.stream.close()
            framework.stream = None
        self.withdraw_offers(lambda o: o.framework_id == framework.id, tell=False)
        for record in self.agents.values():
            record.free = record.free + framework.used_on(record.id)
            record.agent.shutdown_framework(framework.id)
        for task in framework.tasks.values():
            task.state = task.state if task.state in TERMINAL else "TASK_KILLED"
            framework.completed.append(task)
        framework.tasks.clear()
        framework.executors.clear()

    def framework_of(self, call: Json, stream_id: str | None) -> Framework:
        """The framework that makes this call on its own stream. Raises Refused."""
        framework = self.frameworks.get(call["framework_id"].get("value", ""))
        if framework is None:
            raise Refused("Framework cannot be found")
        if framework.stream is None:
            raise Refused("Framework is not subscribed")
        if stream_id is None:
            raise Refused("All non-subscribe calls should include the 'Mesos-Stream-Id' header")
        if stream_id != framework.stream.id:
            raise Refused(f"The stream ID '{stream_id}' included in this request didn't match the stream ID currently "
                          f"associated with framework ID {framework.id}")
        return framework

    # --- agents ----------------------------------------------------------------------------------
    def register(self, agent: Agent) -> None:
        """A new agent, one that was unreachable, or one that knew the previous master."""
        if not agent.id:
            agent.id = self.next_id("S")
        returned = self.unreachable.pop(agent.id, None) is not None
        record = self.agents[agent.id] = AgentRecord(agent, agent.total)
        record.unavailability = self.unavailability(agent)
        agent.master = self
        for known in list(agent.frameworks.values()):
            framework = self.frameworks.get(known.id)
            if framework is None and known.id not in self.completed and not known.shutting_down:
                framework = self.frameworks[known.id] = Framework(known.id, known.info, recovered=True)
                framework.failover = asyncio.get_running_loop().call_later(
                    framework.failover_timeout, self.remove_framework, framework)
            if framework is None:
                agent.shutdown_framework(known.id)
                continue
            self._learn(framework, agent, tell=returned)
        record.free = agent.total - total(f.used_on(agent.id) for f in self.frameworks.values())
        agent.updates.resend()
        self.allocate_soon()

    def _learn(self, framework: Framework, agent: Agent, tell: bool) -> None:
        """Take over the framework's tasks that the agent reports."""
        for executor in agent.frameworks[framework.id].executors.values():
            framework.executors[(agent.id, executor.id)] = executor.info
            for known in executor.tasks.values():
                framework.unreachable.pop(known.id, None)
                task = framework.tasks.setdefault(
                    known.id, Task(known.info, framework.id, executor.id, agent.id))
                task.state = known.state
                if tell and known.state not in TERMINAL:
                    framework.send("UPDATE", update={"status": status(
                        known.id, known.state, "MASTER", "Unreachable agent re-registered",
                        reason="AGENT_REREGISTERED", agent_id=agent.id, executor_id=executor.id)})

    def remove_agent(self, agent_id: str, state: str, reason: str, message: str) -> None:
        """The agent is unreachable or gone: its tasks get `state` (TASK_LOST for frameworks without
        PARTITION_AWARE).
        """
        record = self.agents.pop(agent_id, None)
        if record is None:
            return
        record.agent.master = None
        self.withdraw_offers(lambda o: o.agent_id == agent_id, tell=True)
        for framework in self.frameworks.values():
            for key in [k for k in framework.executors if k[0] == agent_id]:
                del framework.executors[key]
            for task in [t for t in framework.tasks.values() if t.agent_id == agent_id]:
                del framework.tasks[task.id]
                self._lose(framework, task, state, reason, message)
            framework.send("FAILURE", failure={"agent_id": value(agent_id)})

    def _lose(self, framework: Framework, task: Task, state: str, reason: str, message: str) -> None:
        if task.state not in TERMINAL:
            task.state = state if framework.partition_aware else "TASK_LOST"
            framework.send("UPDATE", update={"status": status(
                task.id, task.state, "MASTER", message, reason=reason, agent_id=task.agent_id,
                executor_id=task.executor_id)})
        if state == "TASK_UNREACHABLE":
            framework.unreachable[task.id] = task
        else:
            framework.completed.append(task)

    def agent_update(self, agent_id: str, framework_id: str, made: Json, latest_state: str) -> None:
        framework, record = self.frameworks.get(framework_id), self.agents.get(agent_id)
        if framework is None or record is None:
            return
        task = framework.tasks.get(made["task_id"]["value"])
        if task is not None:
            if task.state not in TERMINAL and latest_state in TERMINAL:
                record.free = record.free + task.amounts
            task.state = latest_state
            if not task.statuses or task.statuses[-1].get("uuid") != made.get("uuid"):
                task.statuses.append(made)
        framework.send("UPDATE", update={"status": made})

    def agent_message(self, agent_id: str, framework_id: str, executor_id: str, data: str) -> None:
        if framework := self.frameworks.get(framework_id):
            framework.send("MESSAGE", message={
                "agent_id": value(agent_id), "executor_id": value(executor_id), "data": data})

    def agent_executor_exited(self, agent_id: str, framework_id: str, executor_id: str, wait_status: int) -> None:
        framework, record = self.frameworks.get(framework_id), self.agents.get(agent_id)
        if framework is None or record is None:
            return
        info = framework.executors.pop((agent_id, executor_id), None)
        if info is not None:
            record.free = record.free + Amounts.from_json(info.get("resources", ()))
        framework.send("FAILURE", failure={
            "agent_id": value(agent_id), "executor_id": value(executor_id), "status": wait_status})

    # --- offers ----------------------------------------------------------------------------------
    async def _allocate_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.interval_s)
            self.allocate()

    def allocate_soon(self) -> None:
        """An agent or a framework is new, or asks again; simultaneous changes are handled together. What comes free
        waits for the next regular allocation, as in Mesos.
        """
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_S, self.allocate)

    def allocate(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        offered: dict[str, Amounts] = {}
        for offer in self.offers.values():
            offered[offer.framework_id] = offered.get(offer.framework_id, Amounts()) + offer.amounts
        made = self.allocator.allocate(self.agents.values(), self.frameworks.values(), offered, self.clock())
        found: dict[str, list[Json]] = {}
        for framework, record, amounts in made:
            offer = Offer(self.next_id("O"), framework.id, record.id, amounts)
            self.offers[offer.id] = offer
            record.free = record.free - amounts
            found.setdefault(framework.id, []).append(offer_json(offer, framework, record))
        for framework_id, offers in found.items():
            self.frameworks[framework_id].offers_sent += len(offers)
            self.frameworks[framework_id].send("OFFERS", offers={"offers": offers})

    def withdraw_offers(self, which: Callable[[Offer], bool], tell: bool) -> None:
        """Withdraw outstanding offers; `tell` sends RESCIND."""
        for offer in [o for o in self.offers.values() if which(o)]:
            self.take_back(offer)
            if tell and (framework := self.frameworks.get(offer.framework_id)):
                framework.send("RESCIND", rescind={"offer_id": value(offer.id)})

    def take_back(self, offer: Offer) -> None:
        del self.offers[offer.id]
        if record := self.agents.get(offer.agent_id):
            record.free = record.free + offer.amounts

    def refuse(self, framework: Framework, agent_id: str, amounts: Amounts, filters: Json) -> None:
        """The framework refuses these resources of the agent for a while."""
        seconds = float(filters.get("refuse_seconds", REFUSE_S))
        framework.filters.add(agent_id, amounts, seconds, self.clock(), self.interval_s)

    # --- maintenance -----------------------------------------------------------------------------
    def unavailability(self, agent: Agent) -> Json | None:
        for window in self.maintenance.get("windows", ()):
            for machine in window.get("machine_ids", ()):
                if machine.get("hostname", agent.hostname) == agent.hostname:
                    found: Json = window["unavailability"]
                    return found
        return None

    def set_maintenance(self, schedule: Json) -> None:
        """A new schedule: offers are made again with their unavailability, frameworks get inverse offers."""
        self.maintenance = schedule
        for offer_id, inverse in list(self.inverse_offers.items()):
            del self.inverse_offers[offer_id]
            if framework := self.frameworks.get(inverse.framework_id):
                framework.send("RESCIND_INVERSE_OFFER", rescind_inverse_offer={"inverse_offer_id": value(offer_id)})
        for record in self.agents.values():
            window = self.unavailability(record.agent)
            if window == record.unavailability:
                continue
            record.unavailability = window
            self.withdraw_offers(lambda o, i=record.id: o.agent_id == i, tell=True)  # type: ignore[misc]
            if window:
                self._send_inverse_offers(record, window)
        self.allocate_soon()

    def _send_inverse_offers(self, record: AgentRecord, window: Json) -> None:
        for framework in self.frameworks.values():
            if not framework.used_on(record.id) or not framework.active:
                continue
            inverse = InverseOffer(self.next_id("O"), framework.id, record.id)
            self.inverse_offers[inverse.id] = inverse
            framework.send("INVERSE_OFFERS", inverse_offers={"inverse_offers": [{
                "id": value(inverse.id), "framework_id": value(framework.id), "agent_id": value(record.id),
                "unavailability": window, "resources": []}]})
