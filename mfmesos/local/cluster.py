"""The embedded cluster as a whole: a master and agents in one event loop, each on its own port."""
from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mfmesos.aio import web
from mfmesos.allocation.allocator import INTERVAL_S
from mfmesos.allocation.amounts import Amounts
from mfmesos.core.model import Resources
from mfmesos.local.access import Credential
from mfmesos.local.agent import Agent
from mfmesos.local.faults import Faults
from mfmesos.local.framework_calls import SchedulerCalls
from mfmesos.local.master import Master
from mfmesos.local.operator import OperatorCalls
from mfmesos.local.web import agent_application, master_application

HOST = "127.0.0.1"
PRINCIPAL = "mfmesos"
PORTS = {"ports": ((31000, 32000),)}


def machine_resources(work_dir: Path, agents: int = 1) -> Resources:
    """An agent's share of this machine, less the margins of Mesos: 1 GB of memory, 5 GB of disk, or half."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    disk = shutil.disk_usage(work_dir).free / 2**20
    memory = memory - 1024 if memory > 2048 else memory / 2
    disk = disk - 5120 if disk > 10240 else disk / 2
    return Resources(len(os.sched_getaffinity(0)) / agents, memory // agents, disk // agents)


class LocalCluster:
    """A master with `agents` agents that have `resources` each, by default an equal part of this machine, and the sets
    and ranges of `by_id`, by default ports.

    `secret`: the required credential: a Credential, or the secret of the principal "mfmesos"; None requires only that
    the client belongs to the same user. What comes free is offered every `interval_s`. stop() removes a `work_dir` that
    was not given; sandboxes are always removed, and processes always killed. start() raises OSError if the port is in
    use.
    """

    def __init__(
            self, agents: int = 1, resources: Resources | None = None, work_dir: str | Path | None = None,
            port: int = 0, secret: Credential | str | None = None, allow_faults: bool = False,
            interval_s: float = INTERVAL_S, by_id: Amounts | None = None,
            attributes: Mapping[str, str] | None = None) -> None:
        self._count, self._port, self._resources, self._interval_s = agents, port, resources, interval_s
        self.credential = Credential(PRINCIPAL, secret) if isinstance(secret, str) else secret
        self.allow_faults = allow_faults
        self._by_id, self._attributes = by_id or Amounts(), dict(attributes or {})
        self._own_work_dir = work_dir is None
        self.work_dir = Path(work_dir) if work_dir is not None else Path(tempfile.mkdtemp(prefix="mfmesos-cluster-"))
        self.members: list[Agent] = []
        self.faults = Faults(self)
        self._runners: list[web.AppRunner] = []

    @property
    def master(self) -> str:
        """HOST:PORT of the master."""
        return f"{HOST}:{self._port}"

    @property
    def agents(self) -> list[str]:
        """HOST:PORT of each agent."""
        return [f"{HOST}:{a.port}" for a in self.members]

    async def start(self) -> None:
        """Start; the cluster serves when this returns."""
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self.work_dir = self.work_dir.resolve()
        resources = self._resources or machine_resources(self.work_dir, self._count)
        amounts = Amounts.of({**PORTS, **self._by_id.ranges}, self._by_id.sets, cpus=resources.cores,
                             mem=resources.memory_mb, disk=resources.disk_mb, gpus=resources.gpus,
                             **dict(resources.others))
        listener = _bind(self._port)
        self._port = listener.getsockname()[1]
        self._lead()
        await self._serve(master_application(self), listener)
        for number in range(1, self._count + 1):
            agent = Agent(number, amounts, self.work_dir / "agents" / str(number - 1), self._attributes)
            listener = _bind(0)
            agent.port = listener.getsockname()[1]
            await self._serve(agent_application(agent), listener)
            self.members.append(agent)
            agent.start()
            self.leader.register(agent)

    def _lead(self) -> None:
        self.leader = Master(self._port, interval_s=self._interval_s)
        self.calls = SchedulerCalls(self.leader)
        self.operator = OperatorCalls(self.leader)
        self.leader.start()

    def new_leader(self) -> None:
        """A new master on the same port, which knows only what agents and frameworks report."""
        old_agents = [r.agent for r in self.leader.agents.values()]
        self.operator.close()
        self.leader.stop()
        self._lead()
        for agent in old_agents:
            self.leader.register(agent)

    async def _serve(self, application: web.Application, listener: socket.socket) -> None:
        # A disconnected client must end its stream at once, hence the cancellation.
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        self._runners.append(runner)
        await web.SockSite(runner, listener).start()

    async def stop(self) -> None:
        """Ends every executor with all its processes, closes every port and removes the sandboxes."""
        if self._runners:
            self.operator.close()
            self.leader.stop()
            await asyncio.gather(*(a.stop() for a in self.members))
            await asyncio.gather(*(r.cleanup() for r in self._runners))
            self._runners.clear()
        shutil.rmtree(self.work_dir / "agents", ignore_errors=True)
        if self._own_work_dir:
            shutil.rmtree(self.work_dir, ignore_errors=True)


def _bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener
