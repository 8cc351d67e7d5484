"""Looks at a run a few times a second, as long as somebody looks at its page."""
from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from mfmesos.control.control_client import ControlClient, ControlError, NotAlive
from mfmesos.settings.config import STATE_DIR
from mfmesos.store.run_pages import RunPages
from mfmesos.store.run_reading import NoRecord
from mfmesos.store.run_tables import RecordError
from mfmesos.views import status_view
from mfmesos.web.live_tasks import LiveTasks
from mfmesos.web.task_table import TaskTable

EVERY_S = 0.4
MOST_RUNNING = 200


def ask_once(state_dir: Path, name: str, **more: Any) -> Any:
    """The scheduler's answer; None: it is not alive, or on another machine."""
    try:
        with ControlClient(state_dir) as client:
            return client.ask(name, **more)
    except ControlError:
        return None


class RunWatch:
    """For the loop's thread; `look` runs on another one. Survives the end and the restart of the scheduler: each look
    that finds no scheduler tries again.
    """

    def __init__(self, folder: Path, every_s: float = EVERY_S) -> None:
        self.folder = folder
        self.state_dir = folder / STATE_DIR
        self.version = 0
        """Counts up with each change."""
        self.text = ""
        """The latest state, as JSON."""
        self._every_s = every_s
        self.table = TaskTable()
        self._tasks = LiveTasks(self.table, self.ask)
        self._client: ControlClient | None = None
        self._changed = asyncio.Condition()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def after(self, version: int, timeout_s: float) -> bool:
        """Wait for a state later than `version`; False: there was none in that time."""
        self._watchers += 1
        try:
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._watch())
            async with self._changed:
                await asyncio.wait_for(self._changed.wait_for(lambda: self.version > version), timeout_s)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self._watchers -= 1

    async def close(self) -> None:
        """After the last look has ended."""
        self._closing.set()
        if self._task is not None:
            await self._task
        if self._client is not None:
            self._client.close()
        self.table.close()

    async def _watch(self) -> None:
        idle = 0
        while idle < 5 and not self._closing.is_set():
            idle = 0 if self._watchers else idle + 1
            text = await asyncio.get_running_loop().run_in_executor(None, self.look)
            if text != self.text:
                async with self._changed:
                    self.text, self.version = text, self.version + 1
                    self._changed.notify_all()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._every_s)
        self._task = None

    def look(self) -> str:
        """The state now; an error is part of it."""
        try:
            data = self.state()
        except (ControlError, RecordError) as e:
            data = {"folder": str(self.folder), "error": str(e)}
        return json.dumps(data)

    def state(self) -> dict[str, Any]:
        """See status_view.as_data; with the version of the table of tasks. Raises ControlError or RecordError."""
        live = self.ask("status")
        self._tasks.look(live)
        run, failures = None, []
        try:
            with RunPages(self.state_dir) as reader:
                run = reader.last()
                failures = reader.failures(run["run"]) if run is not None and run["failed"] else []
        except NoRecord:
            pass
        if live is not None:
            live.pop("now", None)
        running = self.table.running(MOST_RUNNING)
        return {**status_view.as_data(str(self.folder), run, live, running, failures),
                "table": self._tasks.version, "lacks": self._tasks.lacks}

    def ask(self, name: str, **more: Any) -> Any:
        """The scheduler's answer; None: it is not alive. Raises ControlError."""
        try:
            if self._client is None:
                self._client = ControlClient(self.state_dir)
            return self._client.ask(name, **more)
        except ControlError as e:
            if self._client is not None:
                self._client.close()
                self._client = None
                return None
            if isinstance(e, NotAlive):
                return None
            raise
