"""What users decide about single tasks over the control socket: cancel, retry, hold, release, set."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mfmesos.control.control_server import BadQuestion, Question
from mfmesos.core.events import TaskSteered
from mfmesos.core.model import Request
from mfmesos.core.snapshot import TaskView
from mfmesos.core.states import TaskState
from mfmesos.engines.engine import Engine
from mfmesos.scheduler.core_views import CoreViews
from mfmesos.shared import bounds
from mfmesos.shared.messages import control
from mfmesos.shared.messages import steering as m

AMOUNTS = {"cores": "{:g} cores", "memory_mb": "{:.0f} MB memory", "disk_mb": "{:.0f} MB disk"}
PRIORITY = "priority"


class SteeringQuestions:
    """For the loop's thread. Each question names one task, {"task": NUMBER}; the answer is lines for the user.
    `order`: of the run's tasks.
    """

    def __init__(self, views: CoreViews, engine: Engine, post: Callable[..., None], order: str) -> None:
        self._views = views
        self._engine = engine
        self._post = post
        self._order = order

    def answers(self) -> dict[str, Callable[[Question], Any]]:
        return {"cancel": self._cancel, "retry": self._retry, "hold": lambda q: self._hold(q, True),
                "release": lambda q: self._hold(q, False), "set": self._set}

    def _cancel(self, question: Question) -> list[str]:
        task_id, view = self._task(question)
        self._engine.cancel(task_id, self._command(task_id, view))
        if view is None or view.waits:
            said = [m.CANCELLED(task=task_id)]
        elif view.state is TaskState.PUBLISHING:
            return [m.CANCELLED_LATE(task=task_id, host=view.hostname)]
        else:
            said = [m.CANCELLED_RUNNING(task=task_id, host=view.hostname)]
        return said if self._engine.tasks() else [*said, m.CANCELLED_FOR_MAKEFLOW(task=task_id)]

    def _retry(self, question: Question) -> list[str]:
        """Amounts may be set with it."""
        task_id, changes = _number(question), _changes(question)
        view = self._views.task(task_id)
        self._check(view, changes)
        try:
            done = self._engine.retry(task_id)
        except ValueError as e:
            raise BadQuestion(str(e)) from None
        if changes:
            self._post(TaskSteered(task_id, self._command(task_id, view), **changes))
        if done or view is None:
            return [done]
        return [m.RETRIED_WAITING(task=task_id) if view.waits else m.CANCELLED_LATE(task=task_id, host=view.hostname)
                if view.state is TaskState.PUBLISHING else m.RETRIED_RUNNING(task=task_id, host=view.hostname)]

    def _hold(self, question: Question, held: bool) -> list[str]:
        task_id, view = self._task(question)
        self._post(TaskSteered(task_id, self._command(task_id, view), held=held))
        if not held:
            return [m.RELEASED(task=task_id)]
        return [m.HELD(task=task_id) if view is None or view.waits else m.HELD_RUNNING(task=task_id)]

    def _set(self, question: Question) -> list[str]:
        (task_id, view), changes = self._task(question), _changes(question)
        if not changes:
            raise BadQuestion(m.SET_NOTHING())
        self._check(view, changes)
        self._post(TaskSteered(task_id, self._command(task_id, view), **changes))
        what = ", ".join([AMOUNTS[name].format(amount) for name, amount in changes.items() if name in AMOUNTS]
                         + ([f"priority {changes[PRIORITY]:g}"] if PRIORITY in changes else []))
        waits = view is None or view.waits
        return [m.SET(task=task_id, what=what) if waits else m.SET_RUNNING(task=task_id, what=what)]

    def _task(self, question: Question) -> tuple[int, TaskView | None]:
        """The task; None for one that the engine has not submitted."""
        task_id = _number(question)
        refused = self._engine.refuses(task_id)
        if refused:
            raise BadQuestion(refused)
        return task_id, self._views.task(task_id)

    def _command(self, task_id: int, view: TaskView | None) -> str:
        task = view.task if view is not None else self._engine.tasks().get(task_id)
        return task.command if task is not None else ""

    def _check(self, view: TaskView | None, changes: Mapping[str, Any]) -> None:
        if PRIORITY in changes and self._order != PRIORITY:
            raise BadQuestion(m.PRIORITY_NOT_USED())
        amounts = {name: amount for name, amount in changes.items() if name in AMOUNTS}
        beyond = self._views.beyond_bounds(replace(view.task.request if view else Request(), **amounts))
        if beyond:
            raise BadQuestion(beyond)


def _number(question: Question) -> int:
    number = question.get("task")
    if type(number) is not int:
        raise BadQuestion(control.UNKNOWN_QUESTION())
    return number


def _changes(question: Question) -> dict[str, Any]:
    """The amounts and the priority that a question names."""
    found: dict[str, Any] = {}
    for name in (*AMOUNTS, PRIORITY):
        value = question.get(name)
        if value is None:
            continue
        if not (bounds.BOUND if name in AMOUNTS else bounds.PRIORITY).holds(value):
            raise BadQuestion(control.UNKNOWN_QUESTION())
        found[name] = float(value)
    return found
