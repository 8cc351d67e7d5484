"""`mfmesos web`: who may see the page, what it answers, and how it looks in a browser."""
from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser import Browser
from click.testing import CliRunner
from sample_runs import sample
from support import wait_until

from mfmesos.cli.command_line import main
from mfmesos.control import socket_place
from mfmesos.control.control_server import ControlServer
from mfmesos.web import page_server
from mfmesos.web.page_server import PageServer, _why
from mfmesos.web.run_watch import RunWatch
from mfmesos.web.task_table import PAGE

ROW = [9, "running", "sim", "node1", 1, 1000.0, 512.0, "simulate --seed 9", "out9", 1.0]
"""Of a live task, as the scheduler gives it."""


class Page:
    """A served page."""

    def __init__(self, server: PageServer, address: str, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self.address, self.loop = server, address, loop
        self._place = address.split("/")[2]

    def run(self, what: Coroutine[Any, Any, None]) -> None:
        """In the server's loop."""
        asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self._place, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str):
        status, _, text = self.get(path, Authorization=f"Bearer {self.server.token}")
        assert status == 200, text
        return json.loads(text)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Page]:
    """The page of that folder, from a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = PageServer(folder, "127.0.0.1", 0)
    try:
        address = asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
        yield Page(server, address, loop)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture
def page(tmp_path) -> Iterator[Page]:
    sample(tmp_path / "flow", 150)
    with served(tmp_path / "flow") as found:
        yield found


@pytest.mark.parametrize(
    "path", ["/", "/events", "/metrics", "/api/tasks", "/api/task?task=1", "/api/scheduler?question={}",
             "/api/record?question={}", "/assets/page.js", "/no"])
def test_nothing_without_the_token(page, path):
    """Whatever is asked for; a wrong token is as good as none. Only reading is possible."""
    wrong = "x" * len(page.server.token)
    assert page.get(path)[0] == 401
    assert page.get(path, Authorization=f"Bearer {wrong}", Cookie=f"mfmesos={wrong}")[0] == 401
    assert page.get(f"{path}{'&' if '?' in path else '?'}token={wrong}")[0] == 401
    assert page.get(path, method="POST", Authorization=f"Bearer {page.server.token}")[0] == 405


def test_the_link_leads_to_a_page_without_the_token(page):
    """It sets a cookie that only this page gets, and that scripts cannot read; no answer is stored or framed."""
    status, headers, _ = page.get(f"/?token={page.server.token}")
    assert (status, headers["location"]) == (303, "/")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    status, headers, text = page.get("/", Cookie=cookie.split(";")[0])
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert page.server.token not in text


def test_tasks_come_one_page_at_a_time(page):
    """Searched, filtered and sorted by SQL; what is no order and no number harms nothing."""
    found = page.json("/api/tasks")
    assert (found["count"], len(found["rows"])) == (154, PAGE)
    found = page.json("/api/tasks?page=3&order=ran&falling=1")
    assert len(found["rows"]) == 154 - 3 * PAGE
    found = page.json("/api/tasks?text=part000097")
    assert [row["task"] for row in found["rows"]] == [99]
    assert 99 in [row["task"] for row in page.json("/api/tasks?text=99")["rows"]]
    assert page.json("/api/tasks?state=failed&category=map")["count"] == 1
    assert page.json("/api/tasks?text=';DROP+TABLE+tasks&order=1;2")["count"] == 0
    assert page.get("/api/tasks?page=x", Authorization=f"Bearer {page.server.token}")[0] == 400
    assert page.get("/api/task", Authorization=f"Bearer {page.server.token}")[0] == 400


def test_questions_from_elsewhere(page):
    """About the record, and for the scheduler those that change nothing; what is no question is refused."""
    def answer(whom: str, question: Any) -> Any:
        return page.json(f"/api/{whom}?question={quote(json.dumps(question))}")

    assert answer("record", {"ask": "task", "task": 98})["answer"]["state"] == "failed"
    assert answer("record", {"ask": "kept", "task": 98, "run": None, "attempt": None})["answer"] == []
    assert answer("scheduler", {"ask": "status"})["none"] is True
    assert "does not know that question" in answer("scheduler", {"ask": "cancel", "task": 98})["error"]
    for whom, question in (("record", {"ask": "kept", "task": "../98", "run": None}), ("record", {"ask": "path"}),
                           ("record", {}), ("record", [1]), ("scheduler", "status")):
        path = f"/api/{whom}?question={quote(json.dumps(question))}"
        assert page.get(path, Authorization=f"Bearer {page.server.token}")[0] == 400


def test_what_else_it_answers(page):
    """One task, claims, categories, what was held; metrics by category. With what an answer costs."""
    headers = page.get("/api/tasks", Authorization=f"Bearer {page.server.token}")[1]
    assert 0 < float(headers["x-cpu-seconds"]) < 60
    one = page.json("/api/task?task=98")
    assert (one["live"], one["task"]["state"], one["output"]) == (None, "failed", {})
    assert {row["host"] for row in page.json("/api/agents")} == {"node0", "node1", "node2"}
    (group,) = [row for row in page.json("/api/categories") if row["category"] == "map"]
    assert (group["tasks"], group["failed"], group["most_mb"] > group["mean_mb"]) == (150, 1, True)
    assert (group["asked_cores"], group["given_mb"], group["mean_cores"]) == (1.0, 1000.0, pytest.approx(0.8))
    assert len(page.json("/api/held")) == 2
    text = page.get("/metrics", Authorization=f"Bearer {page.server.token}")[2]
    assert "mfmesos_up 0.0" in text
    assert 'mfmesos_category_tasks_total{category="map",state="failed"} 1.0' in text


def test_why_a_live_task_waits():
    """In the words of `mfmesos why`, without what the page shows itself."""
    live = {"task": 3, "state": "inputs", "claim": "", "host": "", "lacks": 1, "needs": [["a", [1, 2]]],
            "command": "cat a", "category": "cat", "outputs": ["b"]}
    assert _why(live) == ["task 3 waits for 1 input from other tasks", "  a of task 1, 2"]
    assert _why(None) == []


def test_output_of_a_task(page, tmp_path):
    """The end of what it printed; only of a task, by its number."""
    logs = tmp_path / "flow/.mfmesos/logs"
    logs.mkdir()
    (logs / "task-98.stderr").write_text("x" * 200_000 + "no such file\n")
    output = page.json("/api/task?task=98")["output"]
    assert len(output["stderr"]) == 64 * 1024
    assert output["stderr"].endswith("no such file\n")
    assert page.get("/api/task?task=../98", Authorization=f"Bearer {page.server.token}")[0] == 400


def test_a_folder_without_a_record(tmp_path):
    """The page waits for the first run."""
    with served(tmp_path) as found:
        assert found.get("/api/tasks", Authorization=f"Bearer {found.server.token}")[0] == 503
        assert found.get("/metrics", Authorization=f"Bearer {found.server.token}")[0] == 503


def test_only_on_this_machine(tmp_path):
    """An address that others reach is refused, in one line with the cure."""
    done = CliRunner().invoke(main, ["web", str(tmp_path), "--listen", "0.0.0.0:0"])
    assert done.exit_code == 1
    assert "ssh -L" in done.output


def test_the_watch_survives_the_scheduler(tmp_path, monkeypatch):
    """It sees the run and its tasks while the scheduler answers, its crash, and the next scheduler."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    sample(tmp_path / "flow", 5, state="running")
    status = {"engine": "batch", "started": 1.0, "pid": 7, "counts": {"for_inputs": 0}}
    state_dir = tmp_path / "flow/.mfmesos"

    async def seen(watch: RunWatch) -> tuple[str, int]:
        found = json.loads(await asyncio.get_running_loop().run_in_executor(None, watch.look))
        return found["state"], len(found["running"])

    async def scheduler(watch: RunWatch) -> tuple[str, int]:
        server = ControlServer({
            "status": lambda question: dict(status), "numbers": lambda question: [[9, 9]],
            "changed": lambda question: {"changes": 1, "tasks": None if question["since"] < 0 else []},
            "rows": lambda question: [ROW]})
        path = socket_place.socket_path(tmp_path / "flow", {"XDG_RUNTIME_DIR": str(runtime)})
        await server.start(path)
        socket_place.point(state_dir, path)
        try:
            return await seen(watch)
        finally:
            await server.stop()

    async def all_of_it() -> list[tuple[str, int]]:
        watch = RunWatch(tmp_path / "flow")
        try:
            return [await scheduler(watch), await seen(watch), await scheduler(watch)]
        finally:
            await watch.close()

    assert asyncio.run(all_of_it()) == [("running", 1), ("crashed", 0), ("running", 1)]


@pytest.mark.once
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(page, tmp_path, width):
    """On a phone and on a desk: no error, the feed fills the overview, the table is searched, links lead to tasks, and
    keys are enough.
    """
    with Browser(tmp_path / "profile", width) as browser:
        browser.open(f"{page.address}?token={page.server.token}")
        browser.wait("document.querySelector('#tiles .tile') !== null", "the first event")
        assert "token" not in browser.run("location.href")
        assert browser.run("document.getElementById('state').textContent") == "ended"
        assert "exit code 3" in browser.run("document.getElementById('failed').textContent")
        browser.run("document.querySelector('nav a[href=\"#tasks\"]').focus()")
        browser.press("Enter", 13)
        browser.wait("document.getElementById('where')?.textContent === '1–50 of 154'", "the table")
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        browser.run("s = document.getElementById('search'), s.value = 'part000096', s.oninput()")
        browser.wait("document.getElementById('where')?.textContent === '1–1 of 1'", "what was searched for")
        browser.run("document.querySelector('#table a').focus()")
        browser.press("Enter", 13)
        browser.wait("document.getElementById('task').textContent.includes('exit code 3: no such file')", "the task")
        for part, word in (("agents", "node2"), ("categories", "merge")):
            browser.run(f"location.hash = '#{part}'")
            browser.wait(f"document.getElementById('{part}').textContent.includes('{word}')", part)
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        browser.run("location.hash = '#agents'")
        browser.wait("document.querySelectorAll('#agents canvas').length === 3", "what was held and used over time")
        assert browser.errors == []


class Scheduler:
    """What the page asks one; its tasks wait but for the first, which runs."""

    def __init__(self, count: int) -> None:
        self.rows = {number: [number, "waiting", "sim", "", 0, 1000.0, None, f"simulate {number}", f"out{number}", None]
                     for number in range(1000, 1000 + count)}
        self.changes = 0
        self.start(1000)

    def start(self, number: int) -> None:
        self.rows[number][1:7] = ["running", "sim", "node9", 1, time.time(), 512.0]
        self.changes += 1

    def answers(self) -> dict[str, Any]:
        amounts = {"cores": 1.0, "memory_mb": 512.0, "disk_mb": 0.0}
        why = {"binding": "full", "before": 3, "claim": "", "limit": None, "behind": None, "start_at": None,
               **dict.fromkeys(("need", "largest", "most_free", "held"), amounts)}
        return {
            "status": lambda question: {
                "pid": 7, "started": 1000.0, "engine": "batch", "master": "m:5050", "held": amounts, "claims": 1,
                "agents": 1, "counts": {"total": len(self.rows), "waiting": len(self.rows), "running": 1, "finished": 0,
                                        "failed": 0, "withdrawn": 0, "before": 0, "left_s": None, "for_inputs": 0}},
            "numbers": lambda question: [[min(self.rows), max(self.rows)]],
            "changed": lambda question: {
                "changes": self.changes, "tasks": None if question["since"] < 0 else list(
                    range(1000 + question["since"], 1000 + self.changes))},
            "rows": lambda question: [self.rows.get(number) for number in question["tasks"]],
            "reasons": lambda question: [[number, why] for number in question["tasks"]],
            "next": lambda question: [{"category": "sim", "task": 1001, **amounts, "memory_mb": 345.0, "wall_s": 90.0},
                                      {"category": "map", "task": 1002, **amounts, "wall_s": None}]}


@pytest.mark.once
def test_waiting_tasks_in_a_browser(tmp_path, monkeypatch):
    """They are in the table with why they wait, found by the server; what changes is shown without a key pressed, and
    under somebody's fingers the focus stays where it is.
    """
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    sample(tmp_path / "flow", 5, state="running")
    scheduler = Scheduler(700)
    path = socket_place.socket_path(tmp_path / "flow", {"XDG_RUNTIME_DIR": str(runtime)})
    server = ControlServer(scheduler.answers())
    with served(tmp_path / "flow") as page:
        page.run(server.start(path))
        socket_place.point(tmp_path / "flow/.mfmesos", path)
        with Browser(tmp_path / "profile") as browser:
            browser.open(f"{page.address}?token={page.server.token}#tasks")
            browser.wait("document.getElementById('where')?.textContent === '1–50 of 708'", "all tasks")
            browser.run("w = document.getElementById('which'), w.value = 'waiting', w.onchange()")
            browser.wait("document.getElementById('where')?.textContent === '1–50 of 699'", "those that wait")
            browser.wait("document.querySelector('#table tbody tr').textContent.includes("
                         "'it waits for room in the claims; free is at most 1 cores, 512 MB, 0 MB disk')", "why")
            browser.run("document.querySelectorAll('#table tbody a')[1].focus()")
            page.loop.call_soon_threadsafe(scheduler.start, 1001)
            browser.wait("document.getElementById('where')?.textContent === '1–50 of 698'", "the change")
            assert browser.run("document.activeElement.textContent") == "1002"
            browser.run("location.hash = '#categories'")
            browser.wait("[...document.querySelectorAll('#groups tr')].some((one) => /memory MB.*345$/.test("
                         "one.textContent))", "what the next task of a category would be given")
            assert browser.errors == []
        page.run(server.stop())


def test_the_feed(page, monkeypatch):
    """The whole state at once, as one server-sent event; who has left is noticed."""
    monkeypatch.setattr(page_server, "KEEPALIVE_S", 0.2)
    connection = http.client.HTTPConnection(page.address.split("/")[2], timeout=60)
    try:
        connection.request("GET", "/events", headers={"Authorization": f"Bearer {page.server.token}"})
        answer = connection.getresponse()
        assert answer.getheader("Content-Type") == "text/event-stream"
        lines = [answer.fp.readline().decode().strip() for _ in range(4)]  # chunks have lines of their own
        (data,) = [line for line in lines if line.startswith("data: ")]
        assert json.loads(data[6:])["run"]["failed"] == 1
    finally:
        connection.close()
    wait_until(lambda: page.server._viewers == 0, 40, "the end of the connection to be noticed")
