"""An agent's records of its executors and their tasks."""
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from mfmesos.allocation.amounts import Amounts, Json, total
from mfmesos.local.container import Container
from mfmesos.local.event_stream import EventStream
from mfmesos.local.task_status import TERMINAL, seconds

MAX_COMPLETED = 150
SHUTDOWN_GRACE_S = 5.0
RECOVERY_TIMEOUT = "10secs"
"""How long an executor waits for its agent: short, since an agent that was killed with this process never returns."""


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
    """Uuids of the executor's updates: a second update with the same uuid is a repetition."""
    queued: bool = True
    """Not yet sent to the executor."""
    drain: str = ""
    """The state that replaces TASK_KILLED while the operator drains the agent."""

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

    @property
    def grace_s(self) -> float:
        """Seconds between SHUTDOWN and SIGKILL."""
        return seconds(self.info.get("shutdown_grace_period"), SHUTDOWN_GRACE_S)

    def send(self, type: str, **fields: object) -> bool:
        return self.stream is not None and self.stream.send(type, **fields)

    def unfinished(self) -> list[AgentTask]:
        return [t for t in self.tasks.values() if t.state not in TERMINAL]


@dataclass
class AgentFramework:
    """A framework that uses or used this agent."""

    id: str
    info: Json
    executors: dict[str, Executor] = field(default_factory=dict)
    completed: deque[Executor] = field(default_factory=deque)
    shutting_down: bool = False

    def add_completed(self, executor: Executor) -> None:
        """Keep the executor for /state and /files; the oldest ones are removed with their sandboxes."""
        self.completed.append(executor)
        while len(self.completed) > MAX_COMPLETED:
            self.completed.popleft().container.remove()


def executor_environment(
        framework: AgentFramework, executor: Executor, number: int, agent_id: str, port: int) -> dict[str, str]:
    """The environment that the agent passes to an executor, under Mesos's names."""
    sandbox = str(executor.container.sandbox)
    return {
        "LIBPROCESS_IP": "127.0.0.1", "LIBPROCESS_PORT": "0", "MESOS_AGENT_ENDPOINT": f"127.0.0.1:{port}",
        "MESOS_CHECKPOINT": "1" if framework.info.get("checkpoint") else "0", "MESOS_DIRECTORY": sandbox,
        "MESOS_EXECUTOR_ID": executor.id, "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": f"{executor.grace_s:g}secs",
        "MESOS_FRAMEWORK_ID": framework.id, "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_RECOVERY_TIMEOUT": RECOVERY_TIMEOUT, "MESOS_SANDBOX": sandbox, "MESOS_SLAVE_ID": agent_id,
        "MESOS_SLAVE_PID": f"slave({number})@127.0.0.1:{port}", "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
    }
