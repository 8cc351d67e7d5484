"""Fault injection for tests: through `LocalCluster.faults`, or POST /faults {"kind": ..., ...} if enabled."""
from __future__ import annotations

from typing import Callable, Protocol

from mfmesos.allocation.amounts import Json
from mfmesos.local.agent import Agent
from mfmesos.local.master import Master
from mfmesos.local.operator import OperatorCalls
from mfmesos.local.validation import Refused


class Faulty(Protocol):
    """The parts of a cluster that faults befall."""

    members: list[Agent]
    leader: Master
    operator: OperatorCalls

    def new_leader(self) -> None: ...


class Faults:
    """`agent` is an agent's number, from 0."""

    def __init__(self, cluster: Faulty) -> None:
        self._cluster = cluster

    async def by_name(self, body: Json) -> Json:
        """Inject a fault from an endpoint's request: {"kind": "lose_agent", "agent": 0}. Raises Refused."""
        kinds: dict[str, Callable[..., object]] = {
            "lose_agent": self.lose_agent, "return_agent": self.return_agent, "mark_gone": self.mark_gone,
            "drop_scheduler": self.drop_scheduler, "drop_executor": self.drop_executor,
            "fail_over_master": self.fail_over_master, "hold_updates": self.hold_updates,
            "cut_agent": self.cut_agent}
        kind = kinds.get(body.pop("kind", ""))
        if kind is None:
            raise Refused(f"unknown fault; there are {', '.join(sorted(kinds))}")
        result = kind(**body)
        return {"done": True if result is None else result}

    def _agent(self, number: int) -> Agent:
        return self._cluster.members[number]

    def cut_agent(self, agent: int) -> None:
        """Break the connection between master and agent before the master notices: its messages are lost."""
        self._agent(agent).master = None

    def lose_agent(self, agent: int) -> None:
        """The master marks the agent unreachable; the agent's executors continue."""
        lost, leader = self._agent(agent), self._cluster.leader
        leader.remove_agent(lost.id, "TASK_UNREACHABLE", "AGENT_REMOVED", "Agent health check timed out")
        leader.unreachable[lost.id] = lost

    def return_agent(self, agent: int) -> None:
        """The agent registers again, with its running tasks."""
        self._cluster.leader.register(self._agent(agent))

    def mark_gone(self, agent: int) -> None:
        self._cluster.operator.gone(self._agent(agent).id)

    def drop_scheduler(self, framework: str | None = None) -> int:
        """Break the event stream of one framework (of all); returns the number of streams."""
        dropped = 0
        leader = self._cluster.leader
        for one in list(leader.frameworks.values()):
            if framework in (None, one.id) and one.stream is not None:
                stream = one.stream
                stream.close()
                leader.stream_closed(stream)
                dropped += 1
        return dropped

    def drop_executor(self, executor: str | None = None) -> int:
        """Break the event stream of one executor (of all); returns the number of streams."""
        dropped = 0
        for agent in self._cluster.members:
            for one in agent.executors():
                if executor in (None, one.id) and one.stream is not None:
                    stream, one.stream = one.stream, None
                    stream.close()
                    dropped += 1
        return dropped

    def fail_over_master(self) -> str:
        """A new master takes over: every stream ends, agents register with their running tasks; returns the new
        master's id.
        """
        self._cluster.new_leader()
        return self._cluster.leader.id

    def hold_updates(self, hold: bool = True, agent: int | None = None) -> None:
        """Agents hold back their status updates until this is called with hold=False."""
        for number, one in enumerate(self._cluster.members):
            if agent in (None, number):
                one.hold_updates(hold)
