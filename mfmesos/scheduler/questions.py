"""What the control socket answers: the snapshot, single tasks, a search; nothing that grows with the run."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Callable

from mfmesos.control.control_server import BadQuestion, Question
from mfmesos.core.model import Resources, Task
from mfmesos.core.snapshot import TaskView
from mfmesos.core.waiting import Waiting
from mfmesos.engines.engine import Engine
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.shared.messages import control as m

MOST = 200
"""Tasks in one answer."""
REASONS = 10
"""Of them those whose reasons are looked at before others have their turn in the loop."""
AT_ONCE = 2_000
"""Tasks that a search looks at before others have their turn in the loop."""


class Questions:
    """For the loop's thread. `offset_s`: epoch minus the core's clock; `about`: more of the
    run's status.
    """

    def __init__(
        self, views: CoreViews, engine: Engine, offset_s: float, about: Mapping[str, Any],
    ) -> None:
        self._views = views
        self._engine = engine
        self._offset_s = offset_s
        self._about = about

    def answers(self) -> dict[str, Callable[[Question], Any]]:
        return {"status": lambda question: self.status(), "task": self._task, "running": self._running,
                "waiting": self._waiting, "claims": self._claims, "find": self._find,
                "first_waiting": lambda question: next(iter(self._views.waiting(1)), None)}

    def status(self) -> dict[str, Any]:
        """Counters, and what the run holds of the cluster."""
        now, room = self._views.snapshot(), self._views.room()
        return {
            **self._about, "now": time.time(), "stopping": now.stopping, "connected": now.connected,
            "rests_s": now.rests_s,
            "counts": asdict(self._engine.counts()), "claims": now.claims,
            "held": {"cores": now.held.cores, "memory_mb": now.held.memory_mb, "gpus": now.held.gpus,
                     "advisory_gpus": self._views.advisory_gpus()},
            "agents": len(room.agents), "cores": sum(a.cores for a in room.agents),
            "memory_mb": sum(a.memory_mb for a in room.agents)}

    def _task(self, question: Question) -> dict[str, Any] | None:
        """{"task": NUMBER}: all about a task that has not ended; null: another or none."""
        number = question.get("task")
        if not isinstance(number, int):
            raise BadQuestion(m.UNKNOWN_QUESTION())
        view = self._views.task(number)
        if view is None:
            return self._held_back(number)
        waiting = self._views.why_waiting(number) if view.waits else None
        return {**self._shown(view), "why": None if waiting is None else waiting_as_data(waiting, self._offset_s)}

    def _held_back(self, number: int) -> dict[str, Any] | None:
        """A task that the engine has not submitted yet."""
        unmet = self._engine.unmet(number)
        task = self._engine.tasks().get(number)
        if not unmet or task is None:
            return None
        return {
            "task": number, "state": "inputs", "command": task.command, "category": task.category or "",
            "outputs": list(task.outputs[:MOST]), "claim": "", "host": "", "again": self._engine.again.get(number, ""),
            "needs": [[name, list(makers[:MOST])] for name, makers in unmet[:MOST]], "lacks": len(unmet)}

    def _running(self, question: Question) -> list[dict[str, Any]]:
        """Tasks that hold resources of a claim, MOST at most."""
        views = (self._views.task(number) for number in self._views.running(MOST))
        return [{**self._row(view), "cores": view.allocation.cores, "memory_mb": view.allocation.memory_mb}
                for view in views if view is not None and not view.waits]

    async def _waiting(self, question: Question) -> list[dict[str, Any]]:
        """The first tasks in their order, MOST at most, each with why it waits; then those that the engine holds back
        for the outputs of others, with what they need.
        """
        numbers, rows = self._views.waiting(MOST), list[dict[str, Any]]()
        for start in range(0, len(numbers), REASONS):
            for one in self._views.why_each_waits(numbers[start:start + REASONS]):
                view = self._views.task(one.task_id)
                if view is not None:
                    rows.append({**self._row(view), "why": waiting_as_data(one, self._offset_s)})
            await asyncio.sleep(0)
        held_back = self._engine.held_back(MOST - len(rows))
        return rows + [found for number in held_back if (found := self._held_back(number)) is not None]

    def _claims(self, question: Question) -> list[dict[str, Any]]:
        """What each claim has and what of it is free, MOST at most."""
        return [{"host": claim.hostname, "tasks": claim.attempts, "cores": claim.size.cores,
                 "memory_mb": claim.size.memory_mb, "free_cores": claim.free.cores,
                 "free_memory_mb": claim.free.memory_mb} for claim in self._views.claims(MOST)]

    async def _find(self, question: Question) -> tuple[bool, list[int]]:
        """{"text": ...}: true and the last task with an output of that name, otherwise false and those with that text
        in their commands, MOST at most. Of engines that know no other tasks only those that have not ended.
        """
        text = question.get("text")
        if not isinstance(text, str) or not text:
            raise BadQuestion(m.UNKNOWN_QUESTION())
        exact: list[int] = []
        fragments: list[int] = []
        all_tasks = self._engine.tasks()
        known = tuple(all_tasks) or self._views.known()
        for start in range(0, len(known), AT_ONCE):
            for task in self._tasks(known[start:start + AT_ONCE], all_tasks):
                if text in task.outputs:
                    exact.append(task.id)
                elif text in task.command and len(fragments) < MOST:
                    fragments.append(task.id)
            await asyncio.sleep(0)
        return bool(exact), exact[-1:] or fragments

    def _tasks(self, numbers: Iterable[int], known: Mapping[int, Task]) -> list[Task]:
        if known:
            return [task for number in numbers if (task := known.get(number)) is not None]
        return [view.task for number in numbers if (view := self._views.task(number)) is not None]

    def _row(self, view: TaskView) -> dict[str, Any]:
        return {"task": view.id, "state": view.state.value, "attempts": view.attempts, "category": view.category,
                "host": view.hostname, "since": view.since + self._offset_s, "command": view.task.command[:200]}

    def _shown(self, view: TaskView) -> dict[str, Any]:
        given = view.allocation
        return {
            **self._row(view), "command": view.task.command, "inputs": len(view.task.inputs),
            "again": self._engine.again.get(view.id, ""),
            "outputs": list(view.task.outputs[:MOST]), "claim": view.claim_id,
            "cores": given.cores, "memory_mb": given.memory_mb, "disk_mb": given.disk_mb,
            "limit_memory_mb": view.limit_memory_mb, "limit_disk_mb": view.limit_disk_mb,
            "story": [[at + self._offset_s, state, note] for at, state, note in view.story]}


def waiting_as_data(waiting: Waiting, offset_s: float) -> dict[str, Any]:
    """See core.waiting; `start_at` and `until` are of the calendar."""
    amounts = {name: _amounts(getattr(waiting, name)) for name in ("need", "largest", "most_free", "held")}
    return {
        "binding": waiting.binding.value, "before": waiting.before, **amounts, "limit": waiting.limit,
        "name": waiting.name,
        "claim": waiting.claim_id, "behind": waiting.behind,
        "claims": [[why.value, count] for why, count in waiting.claims],
        "agents": [[why.value, count] for why, count in waiting.agents],
        "order": waiting.order, "reserve": waiting.reserve,
        "otherwise": [[option, at + offset_s] for option, at in waiting.otherwise],
        "until": None if waiting.until is None else waiting.until + offset_s,
        "start_at": None if waiting.start_at is None else waiting.start_at + offset_s}


def _amounts(one: Resources) -> dict[str, Any]:
    others = {**({"gpus": one.gpus} if one.gpus else {}), **dict(one.others)}
    return {"cores": one.cores, "memory_mb": one.memory_mb, "disk_mb": one.disk_mb,
            **({"others": others} if others else {})}
