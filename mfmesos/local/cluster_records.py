"""The records of the embedded cluster's master: frameworks, tasks, agents, offers."""
from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from mfmesos.allocation.allocator import Filters
from mfmesos.allocation.amounts import Amounts, Json, total
from mfmesos.local.agent import Agent
from mfmesos.local.event_stream import EventStream
from mfmesos.local.task_status import TERMINAL, has_capability, partition_aware, value

MAX_COMPLETED_TASKS = 1000


@dataclass
class Task:
    info: Json
    framework_id: str
    executor_id: str
    agent_id: str
    state: str = "TASK_STAGING"
    """From the agent's latest update, acknowledged or not."""
    statuses: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.info["task_id"]["value"])

    @property
    def amounts(self) -> Amounts:
        return Amounts.from_json(self.info["resources"])


@dataclass
class Framework:
    id: str
    info: Json
    stream: EventStream | None = None
    registered_time: float = field(default_factory=time.time)
    suppressed: bool = False
    recovered: bool = False
    """Known only from its tasks on agents: it has not subscribed to this master yet."""
    tasks: dict[str, Task] = field(default_factory=dict)
    executors: dict[tuple[str, str], Json] = field(default_factory=dict)
    """(agent id, executor id): ExecutorInfo"""
    completed: deque[Task] = field(default_factory=lambda: deque(maxlen=MAX_COMPLETED_TASKS))
    unreachable: dict[str, Task] = field(default_factory=dict)
    filters: Filters = field(default_factory=Filters)
    failover: asyncio.TimerHandle | None = None
    offers_sent: int = 0
    offers_accepted: int = 0
    offers_declined: int = 0

    @property
    def active(self) -> bool:
        return self.stream is not None

    @property
    def role(self) -> str:
        roles = self.info.get("roles") or [self.info.get("role", "*")]
        return str(roles[0])

    @property
    def partition_aware(self) -> bool:
        return partition_aware(self.info)

    @property
    def failover_timeout(self) -> float:
        return float(self.info.get("failover_timeout", 0.0))

    def send(self, type: str, **fields: object) -> bool:
        return self.stream is not None and self.stream.send(type, **fields)

    def used_on(self, agent_id: str) -> Amounts:
        return total([
            *(t.amounts for t in self.tasks.values() if t.agent_id == agent_id and t.state not in TERMINAL),
            *(Amounts.from_json(i.get("resources", ())) for (a, _), i in self.executors.items() if a == agent_id)])

    def used(self) -> Amounts:
        return total([
            *(t.amounts for t in self.tasks.values() if t.state not in TERMINAL),
            *(Amounts.from_json(i.get("resources", ())) for i in self.executors.values())])


@dataclass
class AgentRecord:
    """A registered agent. `free` is neither used nor offered."""

    agent: Agent
    free: Amounts
    registered_time: float = field(default_factory=time.time)
    active: bool = True
    """False while the operator deactivates or drains the agent."""
    drain: Json | None = None
    unavailability: Json | None = None

    @property
    def id(self) -> str:
        return self.agent.id

    @property
    def total(self) -> Amounts:
        return self.agent.total


@dataclass
class Offer:
    id: str
    framework_id: str
    agent_id: str
    amounts: Amounts


@dataclass
class InverseOffer:
    id: str
    framework_id: str
    agent_id: str
    answer: str = "PENDING"


def offer_json(offer: Offer, framework: Framework, record: AgentRecord) -> Json:
    """The offer in the framework's view; allocations only for frameworks with the MULTI_ROLE capability."""
    agent = record.agent
    allocated: Json = {}
    if has_capability(framework.info, "MULTI_ROLE"):
        allocated = {"allocation_info": {"role": framework.role}}
    made: Json = {
        "id": value(offer.id), "framework_id": value(framework.id), "agent_id": value(record.id),
        "hostname": agent.hostname, "resources": offer.amounts.to_json(framework.role if allocated else None),
        "url": {"scheme": "http", "path": f"/slave({agent.number})",
                "address": {"hostname": agent.hostname, "ip": "127.0.0.1", "port": agent.port}}, **allocated}
    if agent.attributes:
        made["attributes"] = agent.info()["attributes"]
    executors = [value(e) for a, e in framework.executors if a == record.id]
    if executors:
        made["executor_ids"] = executors
    if record.unavailability:
        made["unavailability"] = record.unavailability
    return made
