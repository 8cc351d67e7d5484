"""What an agent knows of its executors and of their tasks."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from mfmesos.local.amounts import Amounts, Json, total
from mfmesos.local.container import Container
from mfmesos.local.status import TERMINAL
from mfmesos.local.stream import EventStream

MAX_COMPLETED = 150


class ExecutorState(Enum):
    REGISTERING = "registering"
    RUNNING = "running"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


@dataclass
class AgentTask:
    """A task on its agent."""

    info: Json
    state: str = "TASK_STAGING"
    statuses: list[Json] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """Uuids of the updates that came from the executor: a second one of the same is a repetition."""
    queued: bool = True
    """Not yet given to the executor."""
    drain: str = ""
    """The state that TASK_KILLED becomes because the operator drains the agent."""

    @property
    def id(self) -> str:
        return str(self.info["task_id"]["value"])

    @property
    def amounts(self) -> Amounts:
        return Amounts.from_json(self.info["resources"])


@dataclass
class Executor:
    """One run of an executor on an agent."""

    id: str
    framework_id: str
    info: Json
    container: Container
    state: ExecutorState = ExecutorState.REGISTERING
    stream: EventStream | None = None
    tasks: dict[str, AgentTask] = field(default_factory=dict)
    completed: deque[AgentTask] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def amounts(self) -> Amounts:
        return Amounts.from_json(self.info.get("resources", ()))

    @property
    def used(self) -> Amounts:
        return total([self.amounts, *(t.amounts for t in self.tasks.values() if t.state not in TERMINAL)])

    def send(self, type: str, **fields: object) -> bool:
        return self.stream is not None and self.stream.send(type, **fields)

    def unfinished(self) -> list[AgentTask]:
        return [t for t in self.tasks.values() if t.state not in TERMINAL]


@dataclass
class AgentFramework:
    """A framework with something on this agent, now or before."""

    id: str
    info: Json
    executors: dict[str, Executor] = field(default_factory=dict)
    completed: deque[Executor] = field(default_factory=deque)
    shutting_down: bool = False

    def add_completed(self, executor: Executor) -> None:
        """Keeps the executor for /state and /files; the oldest go, with their sandboxes."""
        self.completed.append(executor)
        while len(self.completed) > MAX_COMPLETED:
            self.completed.popleft().container.remove()
