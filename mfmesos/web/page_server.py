"""Serves the page of a run: its files, what it asks for as JSON, a feed of changes, and metrics."""
from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import itertools
import json
import os
import secrets
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from mfmesos import aio
from mfmesos.settings.config import PAGE_POINTER, STATE_DIR
from mfmesos.shared import atomic
from mfmesos.shared.log_pieces import PIECE_BYTES, STREAMS
from mfmesos.store.run_pages import RunPages
from mfmesos.store.run_reading import NoRecord
from mfmesos.store.run_tables import RecordError
from mfmesos.store.runlog import kept_output
from mfmesos.views import metrics, why_view
from mfmesos.views.over_time import over_time
from mfmesos.views.report_page import asset, vendored
from mfmesos.web import remote_questions
from mfmesos.web.page_access import HEADERS, guard
from mfmesos.web.run_watch import RunWatch, ask_once
from mfmesos.web.task_table import ORDERS, STATES

CPU_HEADER = "X-CPU-Seconds"
"""Of an answer: the page asks less often for what costs much."""
KEEPALIVE_S = 15.0
MOST_VIEWERS = 50
TAIL_BYTES = 64 * 1024
ASSETS = {"page.js": "text/javascript", "common.js": "text/javascript", "style.css": "text/css",
          "uPlot.iife.min.js": "text/javascript", "uPlot.min.css": "text/css"}
Values = dict[str, Any]
Answer = Callable[[RunPages, int, Values], Any]
if TYPE_CHECKING:
    from aiohttp.typedefs import Handler


class PageServer:
    """One page on `host`, a loopback address, and `port`; 0: the kernel chooses."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder, self._host, self._port = folder, host, port
        self.token = secrets.token_urlsafe(32)
        self._watch: RunWatch
        self._runner: aio.web.AppRunner
        self._viewers = 0

    async def start(self) -> str:
        """Returns the address, without the token. Raises OSError."""
        self._watch = RunWatch(self._folder)
        # Cookies are shared by all ports of a machine: each page has its own.
        app = aio.web.Application(middlewares=[guard(self.token, f"mfmesos-{secrets.token_hex(4)}")])
        app.router.add_get("/", self._page)
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/events", self._events)
        app.router.add_get("/metrics", self._metrics)
        for name, answer in (("tasks", self._tasks), ("task", self._task), ("agents", self._agents),
                             ("categories", self._categories), ("choices", self._choices), ("held", self._held),
                             ("printed", self._printed), ("over-time", self._over_time)):
            app.router.add_get(f"/api/{name}", self._json(answer))
        for whom in (remote_questions.SCHEDULER, remote_questions.RECORD):
            app.router.add_get(f"/api/{whom}", self._json_of(functools.partial(self._answered, whom)))
        self._runner = aio.web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await aio.web.TCPSite(self._runner, self._host, self._port).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._watch.close()

    # --- answers --------------------------------------------------------------------------------
    async def _page(self, request: aio.web.Request) -> aio.web.Response:
        return aio.web.Response(text=asset("page.html"), content_type="text/html")

    async def _asset(self, request: aio.web.Request) -> aio.web.Response:
        name = request.match_info["name"]
        if name not in ASSETS:
            return aio.web.Response(status=404)
        return aio.web.Response(text=vendored(name) if name.startswith("uPlot") else asset(name),
                                content_type=ASSETS[name])

    def _json(self, answer: Answer) -> Handler:
        """What the record says about the last run."""
        return self._json_of(functools.partial(self._asked, answer))

    @staticmethod
    def _json_of(answer: Callable[[Values], Any]) -> Handler:
        """Answers to a query on another thread."""
        async def handler(request: aio.web.Request) -> aio.web.Response:
            try:
                found, cpu_s = await asyncio.get_running_loop().run_in_executor(
                    None, _timed, answer, dict(request.query))
            except (ValueError, KeyError) as e:
                return aio.web.json_response({"error": str(e)[:200]}, status=400)
            except RecordError as e:
                return aio.web.json_response({"error": str(e)}, status=503)
            return aio.web.json_response(found, headers={CPU_HEADER: f"{cpu_s:.4f}"})

        return handler

    def _asked(self, answer: Answer, query: Values) -> Any:
        with RunPages(self._folder / STATE_DIR) as reader:
            run = reader.last()
            return answer(reader, run["run"] if run is not None else 0, query)

    def _answered(self, whom: str, query: Values) -> Values:
        return remote_questions.answered(self._folder, whom, query["question"])

    def _tasks(self, reader: RunPages, run: int, query: Values) -> Values:
        """One page of the table; of tasks that wait, why."""
        order = query.get("order", "task")
        found = self._watch.table.page(
            reader.path, run, query.get("text", ""), query.get("state", ""), query.get("category", ""),
            order if order in ORDERS else "task", query.get("falling") == "1",
            min(max(int(query.get("page", 0)), 0), 10**6))
        waiting = [row["task"] for row in found["rows"] if row["state"] in STATES["waiting"]]
        if waiting:
            reasons = ask_once(self._folder / STATE_DIR, "reasons", tasks=waiting) or []
            found["why"] = {task: why_view.reason(task, why, "", time.time()) for task, why in reasons}
        return found

    def _task(self, reader: RunPages, run: int, query: Values) -> Values:
        number = int(query["task"])
        live = ask_once(self._folder / STATE_DIR, "task", task=number)
        task = reader.task(number)
        found: Values = {"live": live, "task": task, "attempts": [], "output": {}, "why": _why(live)}
        if task is not None:
            found["attempts"] = reader.attempts(task["run"], number)
            for path in kept_output(self._folder / STATE_DIR, number, task["run"]):
                with contextlib.suppress(OSError), path.open("rb") as file:
                    file.seek(max(os.fstat(file.fileno()).st_size - TAIL_BYTES, 0))
                    found["output"][path.suffix[1:]] = file.read().decode(errors="replace")
        return found

    def _agents(self, reader: RunPages, run: int, query: Values) -> Any:
        return reader.claims(run)

    def _over_time(self, reader: RunPages, run: int, query: Values) -> Any:
        found = reader.run(run)
        live = ask_once(self._folder / STATE_DIR, "status") is not None
        return over_time(reader, found, self._watch.table.given(), time.time() if live else 0.0) if found else None

    def _categories(self, reader: RunPages, run: int, query: Values) -> list[Values]:
        """What their tasks took, and what the first that waits would be given now."""
        after = {one["category"]: one for one in ask_once(self._folder / STATE_DIR, "next") or ()}
        found = [{**one, "next": after.pop(one["category"], None)} for one in reader.categories(run)]
        return [*found, *({"category": name, "tasks": 0, "next": one} for name, one in after.items())]

    def _choices(self, reader: RunPages, run: int, query: Values) -> list[str]:
        """The categories of all tasks."""
        return sorted({*(one["category"] for one in reader.categories(run)), *self._watch.table.categories()})

    def _printed(self, reader: RunPages, run: int, query: Values) -> dict[str, str]:
        """The end of what a task has printed that runs."""
        number, offsets = int(query["task"]), [0, 0]
        found: Values = {}
        while True:
            found = ask_once(self._folder / STATE_DIR, "printed", task=number, attempt=found.get("attempt", 0),
                             offsets=offsets) or {}
            ends = [max(size - PIECE_BYTES, 0) for size in found.get("sizes", (0, 0))]
            if "data" not in found or ends == offsets or any(offsets):
                break
            offsets = ends
        return {kind: base64.b64decode(data).decode(errors="replace")
                for kind, data in zip(STREAMS, found.get("data", ()))}

    def _held(self, reader: RunPages, run: int, query: Values) -> Any:
        return reader.held(run)

    async def _metrics(self, request: aio.web.Request) -> aio.web.Response:
        try:
            text = await asyncio.get_running_loop().run_in_executor(None, self._measured)
        except RecordError as e:
            return aio.web.Response(status=503, text=f"{e}\n")
        return aio.web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    def _measured(self) -> str:
        live = ask_once(self._folder / STATE_DIR, "status")
        with RunPages(self._folder / STATE_DIR) as reader:
            run = reader.last()
            if run is None:
                raise NoRecord(str(self._folder))
            counted = {**(live or run), "counts": live["counts"] if live else run}
            return metrics.text(counted, run["sent_bytes"] or 0, self._folder.name, reader.by_category(run["run"]),
                                up=live is not None)

    async def _events(self, request: aio.web.Request) -> aio.web.StreamResponse:
        """Server-sent events: the state after each change, whole, so that whoever connects again misses nothing."""
        if self._viewers >= MOST_VIEWERS:
            return aio.web.Response(status=503)
        answer = aio.web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await answer.prepare(request)
        self._viewers += 1
        try:
            version = 0
            while True:
                if await self._watch.after(version, KEEPALIVE_S):
                    version = self._watch.version
                    await answer.write(f"id: {version}\ndata: {self._watch.text}\n\n".encode())
                else:
                    await answer.write(b": still here\n\n")
        except (ConnectionError, asyncio.CancelledError):
            return answer
        finally:
            self._viewers -= 1


def _timed(answer: Callable[[Values], Any], query: Values) -> tuple[Any, float]:
    """The answer, and the CPU seconds that it took."""
    began = time.thread_time()
    return answer(query), time.thread_time() - began


def _why(live: Values | None) -> list[str]:
    """The first lines of `mfmesos why` about a task that has not ended."""
    if live is None:
        return []
    hosts = {live["claim"]: live["host"]} if live["claim"] else {}
    return list(itertools.takewhile(lambda line: not line.startswith("command "), why_view.live(
        live, hosts, time.time())))


async def serve(folder: Path, host: str, port: int, started: Callable[[str, str], None],
                ended: Callable[[], Awaitable[None]]) -> None:
    """Serve until `ended` returns. `started` gets the address and the link with the token; the link is also in
    .mfmesos/web.json, mode 0600. Raises OSError.
    """
    server = PageServer(folder, host, port)
    address = await server.start()
    pointer = folder / STATE_DIR / PAGE_POINTER
    link = f"{address}?token={server.token}"
    try:
        pointer.parent.mkdir(exist_ok=True)
        atomic.write(pointer, json.dumps({"link": link, "pid": os.getpid()}), mode=0o600)
        started(address, link)
        await ended()
    finally:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(pointer.read_text())["pid"] == os.getpid():
                pointer.unlink()
        await server.stop()
