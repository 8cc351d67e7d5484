"""A claim's executor in virtual time: runs what its answers name, and syncs as the real one does."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Protocol

from mfmesos.core import events as ev
from mfmesos.core.actions import OpenClaim
from mfmesos.core.model import Resources
from mfmesos.shared import wire
from mfmesos.shared.slices import slice_id
from mfmesos.simulate.cluster_model import Costs
from mfmesos.simulate.simulated_master import SimAgent
from mfmesos.simulate.virtual_time import VirtualTime
from mfmesos.simulate.workload_model import SimTask

MARGIN, MOST_MARGIN_MB = 0.1, 100.0
"""The part of a claim that usage beyond an estimate leaves free, as in the executor's limits."""


class Watcher(Protocol):
    """Who is told what runs in an executor."""

    def task(self, task_id: int) -> SimTask: ...
    def post(self, event: ev.Event) -> None: ...
    def started(self, run: wire.Run) -> None: ...
    def stopped(self, run: wire.Run, outcome: str) -> None: ...
    def gave_back(self, executor: SimExecutor, part: Resources) -> None: ...


@dataclass
class Running:
    run: wire.Run
    task: SimTask
    begins: float
    """When its command begins."""
    outcome: str = wire.FINISHED
    beyond: bool = False
    """Whether it has more than its estimate."""

    @property
    def memory_mb(self) -> float:
        """What it needs of its claim."""
        return self.task.memory_mb


class SimExecutor:
    def __init__(self, claim: OpenClaim, agent: SimAgent, costs: Costs, time: VirtualTime, watcher: Watcher,
                 ended: Callable[[SimExecutor], None], start_s: float) -> None:
        self.claim, self.agent = claim, agent
        self.alive, self.synced = True, False
        self.slices = dict(enumerate(claim.slices, 1))
        self.own = claim.resources - sum(claim.slices, Resources())
        """What is given back with the claim alone."""
        self._costs, self._time, self._watcher, self._ended = costs, time, watcher, ended
        self.running: dict[str, Running] = {}
        self._beyond = 0
        """How many of them have more than their estimates."""
        self._results: list[wire.Result] = []
        self._seq = self._got = 0
        self._syncing = False
        self._releasing = False
        time.after(start_s, self._start)

    def _start(self) -> None:
        if self.alive:
            self._watcher.post(ev.ClaimUpdated(
                self.claim.claim_id, "TASK_RUNNING", agent_id=self.agent.id, cluster=self.claim.cluster))
            self._sync()

    def _sync_soon(self) -> None:
        """What changes until it arrives goes along."""
        if not self._syncing:
            self._syncing = True
            self._time.after(self._costs.sync_s, self._sync)

    def _sync(self) -> None:
        self._syncing = False
        if not self.alive or self._releasing:
            return
        self.synced = True
        self._seq += 1
        results, self._results = tuple(self._results), []
        self._watcher.post(ev.ClaimSynced(self.claim.claim_id, self._seq, self._got, tuple(self.running), results,
            slices=tuple(self.slices)))

    def answered(self, seq: int, answer: wire.SyncAnswer) -> None:
        if not self.alive or answer.superseded or seq != self._seq:
            return
        self._got = max(self._got, answer.number)
        if answer.release:
            self._releasing = True
            for attempt in list(self.running):
                self._stop(attempt, wire.KILLED)
            self._time.after(self._costs.end_s, lambda: self.end("TASK_FINISHED"))
            return
        for number in answer.give_back:
            self._give_back(number)
        for attempt in answer.kill:
            if attempt in self.running:
                self._stop(attempt, wire.KILLED)
                self._results.append(wire.Result(attempt, wire.KILLED, "killed"))
        for run in answer.run:
            if run.attempt not in self.running:
                self._begin(run)
        self._sync_soon()

    def slice_killed(self, number: int) -> None:
        """Before it has started: the agent does it."""
        self._give_back(number, "TASK_KILLED")

    def _give_back(self, number: int, state: str = "TASK_FINISHED") -> None:
        part = self.slices.pop(number, None)
        if part is not None:
            self._watcher.gave_back(self, part)
            ended = ev.ClaimUpdated(slice_id(self.claim.claim_id, number), state, agent_id=self.agent.id,
                                    cluster=self.claim.cluster)
            self._time.after(self._costs.end_s, lambda: self._watcher.post(ended))

    # --- attempts --------------------------------------------------------------------------------
    def _begin(self, run: wire.Run) -> None:
        task = self._watcher.task(int(run.attempt.partition(".")[0]))
        made = self.running[run.attempt] = Running(run, task, self._time.now + self._costs.task_s)
        self._watcher.started(run)
        limit = run.memory_mb if run.limit_memory_mb is None else run.limit_memory_mb
        if task.memory_mb <= limit:
            self._end_at(made, task.seconds, wire.FINISHED)
        else:
            self._time.at(made.begins + task.seconds * limit / task.memory_mb, lambda: self._over(made, limit))
        if self._beyond:
            self._make_room()

    def _end_at(self, made: Running, seconds: float, outcome: str) -> None:
        limit = made.run.limit_wall_s
        if limit is not None and seconds > limit:
            seconds, outcome = limit, wire.EXHAUSTED
        self._time.at(made.begins + seconds, lambda: self._finish(made, outcome, "wall"))

    def _over(self, made: Running, limit: float) -> None:
        """It has reached its limit: an estimate or a default may be exceeded while the claim has room."""
        if self.running.get(made.run.attempt) is not made:
            return
        most = self.claim.resources.memory_mb if made.run.limit_memory_mb is None else made.run.most_memory_mb
        if made.memory_mb <= (most or 0.0) and self._used() <= self._usable():
            made.beyond = True
            self._beyond += 1
            self._end_at(made, made.task.seconds, wire.FINISHED)
        else:
            self._finish(made, wire.EXHAUSTED, "memory", limit)

    def _usable(self) -> float:
        whole = sum(self.slices.values(), self.own).memory_mb
        return whole - min(MARGIN * whole, MOST_MARGIN_MB)

    def _used(self) -> float:
        return sum(one.memory_mb for one in self.running.values())

    def _make_room(self) -> None:
        """An attempt that exceeds its estimate gives way to one that has just begun."""
        while self._used() > self._usable():
            over = [one for one in self.running.values() if one.beyond]
            if not over:
                return
            victim = max(over, key=lambda one: one.memory_mb - one.run.memory_mb)
            self._finish(victim, wire.EXHAUSTED, "memory", victim.run.memory_mb)

    def _finish(self, made: Running, outcome: str, resource: str = "", memory_mb: float | None = None) -> None:
        if self.running.get(made.run.attempt) is not made:
            return
        task, ran_s = made.task, max(self._time.now - made.begins, 0.0)
        self._stop(made.run.attempt, outcome)
        exhausted = outcome == wire.EXHAUSTED
        self._results.append(wire.Result(
            made.run.attempt, outcome, reason=resource if exhausted else "",
            exit_code=None if exhausted else 0, resource=resource if exhausted else None,
            usage=wire.Usage(task.memory_mb if memory_mb is None else memory_mb, task.disk_mb, task.cores,
                             ran_s * task.cores, ran_s)))
        self._sync_soon()

    def _stop(self, attempt: str, outcome: str) -> None:
        stopped = self.running.pop(attempt)
        self._beyond -= stopped.beyond
        self._watcher.stopped(stopped.run, outcome)

    # --- its end ---------------------------------------------------------------------------------
    def die(self) -> None:
        """With its agent; nobody is told."""
        self.alive = False
        for attempt in list(self.running):
            self._stop(attempt, "lost")
        self._ended(self)

    def end(self, state: str, reason: str = "") -> None:
        """Mesos reports its end."""
        if not self.alive:
            return
        for attempt in list(self.running):
            self._stop(attempt, wire.KILLED)
        self.alive = False
        self._ended(self)
        self._watcher.post(ev.ClaimUpdated(
            self.claim.claim_id, state, reason, agent_id=self.agent.id, cluster=self.claim.cluster))
