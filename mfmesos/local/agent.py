"""An agent of the embedded cluster: starts executors, keeps their updates, and talks to the master when connected."""
from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from mfmesos.allocation.amounts import Amounts, Json, total
from mfmesos.local import processes
from mfmesos.local.container import Container, LaunchError, Limitation
from mfmesos.local.event_stream import EventStream
from mfmesos.local.executors import (
    AgentFramework,
    AgentTask,
    Executor,
    ExecutorState,
    executor_environment,
)
from mfmesos.local.fetcher import Fetcher
from mfmesos.local.task_status import TERMINAL, new_uuid, partition_aware, status, value
from mfmesos.local.updates import UpdateManager

REGISTRATION_TIMEOUT_S = 60.0
EXECUTOR_HEARTBEAT_S = 30.0
MEMORY_POLL_S = 0.5
MAX_COMPLETED_FRAMEWORKS = 50


class CallError(Exception):
    """A call that is refused with 400; the text is the response body."""


class MasterSide(Protocol):
    """The agent's calls to the master."""

    def agent_update(self, agent_id: str, framework_id: str, status: Json, latest_state: str) -> None: ...
    def agent_message(self, agent_id: str, framework_id: str, executor_id: str, data: str) -> None: ...
    def agent_executor_exited(self, agent_id: str, framework_id: str, executor_id: str, wait_status: int) -> None: ...


class Agent:
    """The master assigns `id` at the first registration. Not thread-safe: lives in one event loop."""

    def __init__(self, number: int, total: Amounts, folder: Path, attributes: Mapping[str, str] | None = None) -> None:
        self.number, self.total, self.folder = number, total, folder
        self.id = ""
        self.port = 0
        self.hostname = "localhost"
        self.attributes = dict(attributes or {})
        self.started = time.time()
        self.master: MasterSide | None = None
        """None while the master is unreachable."""
        self.frameworks: dict[str, AgentFramework] = {}
        self.completed_frameworks: list[AgentFramework] = []
        self.updates = UpdateManager(self._forward)
        self.holding_updates = False
        self._fetcher = Fetcher(folder / "fetch")
        self._tasks: set[asyncio.Future[Any]] = set()

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        self._spawn(self._watch_memory())

    async def stop(self) -> None:
        """Kills every executor, waits for their end, and forgets all state."""
        self.master = None
        self.updates.close()
        for executor in list(self.executors()):
            executor.container.destroy()
        for _ in range(200):
            if not any(True for _ in self.executors()):
                break
            await asyncio.sleep(0.01)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def executors(self) -> Iterator[Executor]:
        for framework in self.frameworks.values():
            yield from framework.executors.values()

    def used(self) -> Amounts:
        return total(e.used for e in self.executors())

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(MEMORY_POLL_S)
            running = list(self.executors())
            if running:
                table = processes.table()
                for executor in running:
                    executor.container.check_memory(table)

    # --- from the master -------------------------------------------------------------------------
    def run_task(self, framework_info: Json, executor_info: Json, task_info: Json) -> None:
        framework_id = framework_info["id"]["value"]
        framework = self.frameworks.setdefault(framework_id, AgentFramework(framework_id, framework_info))
        executor_id = executor_info["executor_id"]["value"]
        task = AgentTask(task_info)
        executor = framework.executors.get(executor_id)
        if executor is None:
            executor = self._new_executor(framework, executor_id, executor_info)
            executor.tasks[task.id] = task
            executor.container.memory_mb = executor.used.get("mem")
            self._spawn(self._run_executor(framework, executor))
        elif executor.state is ExecutorState.TERMINATING or framework.shutting_down:
            state = "TASK_DROPPED" if partition_aware(framework_info) else "TASK_LOST"
            self._agent_status(framework, task, executor_id, state, "Executor terminating", "EXECUTOR_TERMINATED")
        else:
            executor.tasks[task.id] = task
            executor.container.memory_mb = executor.used.get("mem")
            if executor.state is ExecutorState.RUNNING:
                self._deliver(executor)

    def kill_task(self, framework_id: str, task_id: str, kill_policy: Json | None, drain: str = "") -> None:
        found = self._find_task(framework_id, task_id)
        if found is None:
            return
        framework, executor, task = found
        task.drain = drain
        if task.queued:
            self._agent_status(framework, task, executor.id, "TASK_KILLED", "Killed before delivery to the executor",
                               "TASK_KILLED_DURING_LAUNCH")
            return
        policy: Json = {"kill_policy": kill_policy} if kill_policy else {}
        executor.send("KILL", kill={"task_id": value(task_id), **policy})

    def acknowledge(self, framework_id: str, task_id: str, uuid: str) -> None:
        done = self.updates.acknowledge(framework_id, task_id, uuid)
        found = self._find_task(framework_id, task_id)
        if done and found and done["state"] in TERMINAL:
            _, executor, task = found
            executor.tasks.pop(task_id, None)
            executor.completed.append(task)

    def message(self, framework_id: str, executor_id: str, data: str) -> None:
        executor = self._find_executor(framework_id, executor_id)
        if executor is not None:
            executor.send("MESSAGE", message={"data": data})

    def shutdown_executor(self, framework_id: str, executor_id: str) -> None:
        executor = self._find_executor(framework_id, executor_id)
        if executor is not None:
            self._shutdown(executor)

    def shutdown_framework(self, framework_id: str) -> None:
        framework = self.frameworks.get(framework_id)
        if framework is None:
            return
        framework.shutting_down = True
        self.updates.forget(framework_id)
        for executor in list(framework.executors.values()):
            self._shutdown(executor)
        self._retire(framework)

    def framework_back(self, framework_id: str, info: Json) -> None:
        """The framework has subscribed again: resend unacknowledged updates at once."""
        if framework_id in self.frameworks:
            self.frameworks[framework_id].info = info
            self.updates.resend(framework_id)

    def hold_updates(self, hold: bool) -> None:
        self.holding_updates = hold
        if not hold:
            self.updates.resend()

    # --- from executors --------------------------------------------------------------------------
    def subscribe(self, call: Json) -> EventStream:
        """An executor's SUBSCRIBE: returns its event stream with the waiting events. Raises CallError."""
        framework, executor = self._of_call(call)
        if executor.state in (ExecutorState.TERMINATING, ExecutorState.TERMINATED):
            raise CallError("Executor is terminating")
        if executor.stream is not None:
            executor.stream.close()
        executor.stream = EventStream(EXECUTOR_HEARTBEAT_S)
        executor.state = ExecutorState.RUNNING
        executor.send("SUBSCRIBED", subscribed={
            "executor_info": executor.info, "framework_info": framework.info, "agent_info": self.info(),
            "container_id": value(executor.container.id)})
        executor.send("HEARTBEAT")
        subscribe = call["subscribe"]
        for update in subscribe.get("unacknowledged_updates", ()):
            self._handle_update(framework, executor, update["status"])
        known = {t["task_id"]["value"] for t in subscribe.get("unacknowledged_tasks", ())}
        for task in executor.unfinished():
            # Sent before, but the connection broke before it arrived.
            if not task.queued and task.state == "TASK_STAGING" and task.id not in known:
                state = "TASK_DROPPED" if partition_aware(framework.info) else "TASK_LOST"
                self._agent_status(framework, task, executor.id, state, "Task launched before the executor reconnected",
                                   "AGENT_RESTARTED")
        stream = executor.stream
        if executor.unfinished():
            self._deliver(executor)
        elif not executor.completed:
            self._shutdown(executor)  # its tasks were killed before it connected
        return stream

    def stream_closed(self, stream: EventStream) -> None:
        for executor in self.executors():
            if executor.stream is stream:
                executor.stream = None

    def executor_call(self, call: Json) -> None:
        """UPDATE or MESSAGE of an executor. Raises CallError."""
        framework, executor = self._of_call(call)
        if call["type"] == "UPDATE":
            self._handle_update(framework, executor, call["update"]["status"])
        elif self.master is not None:
            self.master.agent_message(self.id, framework.id, executor.id, call["message"]["data"])

    def _of_call(self, call: Json) -> tuple[AgentFramework, Executor]:
        framework = self.frameworks.get(call["framework_id"]["value"])
        if framework is None:
            raise CallError("Framework cannot be found")
        executor = framework.executors.get(call["executor_id"]["value"])
        if executor is None:
            raise CallError("Executor cannot be found")
        return framework, executor

    def _handle_update(self, framework: AgentFramework, executor: Executor, given: Json) -> None:
        task = executor.tasks.get(given["task_id"]["value"])
        number = str(given["uuid"])
        executor.send("ACKNOWLEDGED", acknowledged={"task_id": given["task_id"], "uuid": number})
        if task is not None and (number in task.seen or task.state in TERMINAL):
            return
        made = {**given, "agent_id": value(self.id), "timestamp": given.get("timestamp", time.time()),
                "container_status": self._container_status(executor)}
        if task is not None:
            task.seen.add(number)
            if task.drain and given["state"] == "TASK_KILLED":
                made.update(state=task.drain, reason="REASON_AGENT_DRAINING")
        self._record(framework, task, made)

    # --- executors -------------------------------------------------------------------------------
    def _new_executor(self, framework: AgentFramework, executor_id: str, info: Json) -> Executor:
        container_id = str(uuid.uuid4())
        sandbox = (self.folder / "work" / "slaves" / self.id / "frameworks" / framework.id
                   / "executors" / executor_id / "runs" / container_id)
        container = Container(container_id, sandbox, 0.0)
        executor = Executor(executor_id, framework.id, {**info, "framework_id": value(framework.id)}, container)
        framework.executors[executor_id] = executor
        return executor

    async def _run_executor(self, framework: AgentFramework, executor: Executor) -> None:
        container = executor.container
        environment = executor_environment(framework, executor, self.number, self.id, self.port)
        try:
            await container.launch(executor.info["command"], environment, self._fetcher)
        except LaunchError as e:
            container.limitation = Limitation("CONTAINER_LAUNCH_FAILED", f"Failed to launch container: {e}")
            self._executor_ended(framework, executor, 9)
            return
        timer = asyncio.get_running_loop().call_later(REGISTRATION_TIMEOUT_S, self._not_registered, executor)
        wait_status = await container.wait()
        timer.cancel()
        self._executor_ended(framework, executor, wait_status)

    def _not_registered(self, executor: Executor) -> None:
        if executor.state is ExecutorState.REGISTERING:
            executor.container.destroy(Limitation(
                "EXECUTOR_REGISTRATION_TIMEOUT", f"Executor did not register within {REGISTRATION_TIMEOUT_S:g}secs"))

    def _executor_ended(self, framework: AgentFramework, executor: Executor, wait_status: int) -> None:
        executor.state = ExecutorState.TERMINATED
        if executor.stream is not None:
            executor.stream.close()
        framework.executors.pop(executor.id, None)
        framework.add_completed(executor)
        if self.master is not None:
            self.master.agent_executor_exited(self.id, framework.id, executor.id, wait_status)
        limitation = executor.container.limitation or Limitation("EXECUTOR_TERMINATED", "Executor terminated")
        for task in executor.unfinished():
            if not framework.shutting_down:
                self._agent_status(framework, task, executor.id, "TASK_FAILED", limitation.message, limitation.reason)
        self._retire(framework)

    def _shutdown(self, executor: Executor) -> None:
        """SHUTDOWN to the executor, SIGKILL to its container after the grace period."""
        if executor.state in (ExecutorState.TERMINATING, ExecutorState.TERMINATED):
            return
        registered = executor.state is ExecutorState.RUNNING
        executor.state = ExecutorState.TERMINATING
        if registered and executor.send("SHUTDOWN"):
            asyncio.get_running_loop().call_later(executor.grace_s, executor.container.destroy)
        else:
            executor.container.destroy()

    def _deliver(self, executor: Executor) -> None:
        for task in executor.unfinished():
            if task.queued and executor.stream is not None:
                task.queued = False
                executor.send("LAUNCH", launch={"task": task.info})

    def _retire(self, framework: AgentFramework) -> None:
        if framework.shutting_down and not framework.executors and framework.id in self.frameworks:
            del self.frameworks[framework.id]
            self.completed_frameworks.append(framework)
            for old in self.completed_frameworks[:-MAX_COMPLETED_FRAMEWORKS]:
                for executor in old.completed:
                    executor.container.remove()
            del self.completed_frameworks[:-MAX_COMPLETED_FRAMEWORKS]

    # --- updates ---------------------------------------------------------------------------------
    def _agent_status(
            self, framework: AgentFramework, task: AgentTask, executor_id: str, state: str, message: str,
            reason: str) -> None:
        self._record(framework, task, status(
            task.id, state, "AGENT", message, reason=reason, agent_id=self.id, executor_id=executor_id,
            uuid=new_uuid()))

    def _record(self, framework: AgentFramework, task: AgentTask | None, made: Json) -> None:
        if task is not None:
            task.state = str(made["state"])
            task.statuses.append(made)
        if not framework.shutting_down:
            self.updates.add(framework.id, made)

    def _forward(self, framework_id: str, made: Json, latest_state: str) -> None:
        if self.master is not None and not self.holding_updates:
            self.master.agent_update(self.id, framework_id, made, latest_state)

    def _container_status(self, executor: Executor) -> Json:
        return {"container_id": value(executor.container.id), "executor_pid": executor.container.pid,
                "network_infos": [{"ip_addresses": [{"protocol": "IPv4", "ip_address": "127.0.0.1"}]}]}

    # --- queries ---------------------------------------------------------------------------------
    def info(self) -> Json:
        return {"id": value(self.id), "hostname": self.hostname, "port": self.port,
                "attributes": [{"name": name, "type": "TEXT", "text": value(text)}
                               for name, text in self.attributes.items()],
                "resources": self.total.to_json()}

    def _find_executor(self, framework_id: str, executor_id: str) -> Executor | None:
        framework = self.frameworks.get(framework_id)
        return framework.executors.get(executor_id) if framework else None

    def _find_task(self, framework_id: str, task_id: str) -> tuple[AgentFramework, Executor, AgentTask] | None:
        framework = self.frameworks.get(framework_id)
        with contextlib.suppress(StopIteration):
            if framework is not None:
                return next((framework, e, e.tasks[task_id])
                            for e in (*framework.executors.values(), *framework.completed) if task_id in e.tasks)
        return None
