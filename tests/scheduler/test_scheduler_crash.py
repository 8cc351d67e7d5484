"""An unexpected error, anywhere in the scheduler's loop: it ends, reports it, and leaves all to the next one."""
from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from mfmesos.core import events as ev
from mfmesos.core.model import Task
from mfmesos.core.snapshot import Counts
from mfmesos.scheduler.scheduler import Scheduler
from mfmesos.settings.config import SchedulerConfig


class Engine:
    """Does nothing until the test has it fail."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.again: dict[int, str] = {}
        self.closed: list[bool] = []
        self.scheduler: Scheduler

    def resume(self, saved: list) -> list:
        return saved

    def start(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def together(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def report(self, report: object, host: str) -> None:
        raise RuntimeError("the engine cannot report")

    def note(self, note: object) -> None:
        pass

    def tasks(self) -> dict:
        return {}

    def unmet(self, task_id: int) -> list:
        return []

    def counts(self) -> Counts:
        return Counts()

    def alive(self) -> str:
        if self.error is not None:
            raise self.error
        return ""

    def close(self, failure: str | None, *, crashed: bool = False) -> None:
        self.closed.append(crashed)


def run(folder: Path, engine: Engine, when_started) -> None:
    """A scheduler whose master does not exist, to its end."""
    config = SchedulerConfig(workdir=str(folder), master="127.0.0.1:1", history=None)

    async def main() -> None:
        scheduler = Scheduler(config, engine)
        asyncio.get_running_loop().call_later(0.5, lambda: when_started(scheduler))
        await asyncio.wait_for(scheduler.run(), 30)

    asyncio.run(main())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "w").mkdir()
    return tmp_path / "w"


def test_an_error_in_an_action(folder):
    """The engine fails when a task is reported: the run ends with that error; the journal stays."""
    engine = Engine()
    with pytest.raises(RuntimeError, match="cannot report"):
        run(folder, engine, lambda scheduler: scheduler.post(ev.TaskRefused(Task(1, "true"), "why")))
    assert engine.closed == [True]
    assert (folder / ".mfmesos" / "journal.sqlite").exists()


def test_an_error_in_the_core(folder, monkeypatch):
    """Likewise."""
    engine = Engine()

    def broken(scheduler: Scheduler) -> None:
        monkeypatch.setattr(scheduler.core, "handle_all", lambda batch, now: 1 / 0)
        scheduler.post(ev.Tick())

    with pytest.raises(ZeroDivisionError):
        run(folder, engine, broken)
    assert engine.closed == [True]


def test_an_error_of_the_clockwork(folder):
    """The engine fails when it is asked whether it lives."""
    engine = Engine()
    with pytest.raises(ValueError, match="alive"):
        run(folder, engine, lambda scheduler: setattr(engine, "error", ValueError("alive")))
    assert engine.closed == [True]


def test_a_good_end_leaves_no_journal(folder):
    """A run without tasks ends by itself; nothing is left to resume."""
    engine = Engine()
    run(folder, engine, lambda scheduler: scheduler.post(ev.NoMoreTasks()))
    assert engine.closed == [False]
    assert not list((folder / ".mfmesos").glob("journal*"))
