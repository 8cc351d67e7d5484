"""The page's copy of the live tasks: how many rows it asks the scheduler for."""
from __future__ import annotations

from typing import Any

from mfmesos.web.live_tasks import AT_ONCE, MOST, RELIST_S, LiveTasks
from mfmesos.web.task_table import TaskTable


class Scheduler:
    """Answers as one whose tasks these are. `asked`: rows that were asked for."""

    def __init__(self, pid: int, states: dict[int, str]) -> None:
        self.pid, self.states = pid, states
        self.changes: list[int] = []
        self.asked = 0

    def status(self) -> dict[str, Any]:
        held_back = sum(state == "inputs" for state in self.states.values())
        return {"pid": self.pid, "started": 5.0, "counts": {"for_inputs": held_back}}

    def change(self, number: int, state: str | None) -> None:
        if state is None:
            del self.states[number]
        else:
            self.states[number] = state
        self.changes.append(number)

    def __call__(self, name: str, **more: Any) -> Any:
        if name == "numbers":
            return [[number, number] for number in self.states]
        if name == "changed":
            if more["since"] < 0:
                return {"changes": len(self.changes), "tasks": None}
            return {"changes": len(self.changes), "tasks": sorted(set(self.changes[more["since"]:]))}
        assert name == "rows"
        assert len(more["tasks"]) <= AT_ONCE
        self.asked += len(more["tasks"])
        return [[number, self.states[number], "sim", "", 1, 1000.0, None, f"do {number}", ""]
                if number in self.states else None for number in more["tasks"]]


class World:
    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler, self.now = scheduler, 0.0
        self.table = TaskTable()
        self.copy = LiveTasks(self.table, lambda name, **more: self.scheduler(name, **more), lambda: self.now)

    def look(self) -> int:
        """The rows that this look asked for."""
        before = self.scheduler.asked
        self.copy.look(self.scheduler.status())
        return self.scheduler.asked - before

    def states(self) -> dict[int, str]:
        return dict(self.table._db.execute("SELECT task, state FROM live WHERE gone IS NULL").fetchall())


def test_all_tasks_once_and_then_what_changes():
    """Of 12,000 tasks a look reads no more than its share; of 200 changes it reads 200 rows, before the rest."""
    world = World(Scheduler(1, dict.fromkeys(range(1, 12_001), "waiting")))
    assert (world.look(), world.copy.lacks) == (MOST, 12_000 - MOST)
    for number in range(11_800, 12_000):
        world.scheduler.change(number, "running")
    assert world.look() == MOST
    assert [one["task"] for one in world.table.running(1000)] == list(range(11_800, 12_000))
    assert (world.look(), world.copy.lacks) == (12_000 - 2 * MOST, 0)
    assert world.look() == 0
    for number in range(1, 201):
        world.scheduler.change(number, None)
    assert world.look() == 200
    assert world.states() == world.scheduler.states


def test_another_scheduler_is_read_anew():
    """Whatever its numbers of changes are; without one there are no live tasks."""
    world = World(Scheduler(1, dict.fromkeys(range(1, 20), "waiting")))
    world.look()
    version = world.copy.version
    world.copy.look(None)
    assert (world.states(), world.copy.version > version) == ({}, True)
    world.scheduler = Scheduler(2, dict.fromkeys(range(5, 10), "running"))
    assert world.look() == 5
    assert world.states() == dict.fromkeys(range(5, 10), "running")


def test_tasks_that_the_engine_holds_back():
    """Of these no changes are noted: when their number differs they are read again, now and then, and no others."""
    world = World(Scheduler(1, {**dict.fromkeys(range(1, 1000), "waiting"), 1000: "inputs", 1001: "inputs"}))
    world.look()
    del world.scheduler.states[1000]  # a task that it needs has failed
    world.scheduler.states[1002] = "inputs"
    world.scheduler.states[1003] = "inputs"
    assert world.look() == 0
    world.now += RELIST_S
    assert world.look() == 4
    assert world.states() == world.scheduler.states
