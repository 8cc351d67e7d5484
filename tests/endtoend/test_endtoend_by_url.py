"""`mfmesos status`, `why`, `logs` and `top` by the link to a run's page, from another folder."""
from __future__ import annotations

import http.server
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flows import MFMESOS, Ended, Flow
from support import free_port, wait_until
from terminals import Screen


class Seen:
    """A run with its page: task 1 has failed, 2 runs, 3 waits for its turn and 4 for the output of 2."""

    def __init__(self, flow: Flow, elsewhere: Path, link: str) -> None:
        self.flow, self.elsewhere, self.link = flow, Flow(elsewhere, flow.cluster), link
        parts = urlsplit(link)
        self.url, self.token = f"http://{parts.netloc}/", parts.query.partition("=")[2]

    def shown(self, *argv: str) -> Ended:
        """By a command that is in a folder of its own."""
        return self.elsewhere.end(self.elsewhere.start(*argv))


@pytest.fixture
def seen(tmp_path, embedded_mesos) -> Iterator[Seen]:
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("tasks.jsonl", "".join(json.dumps({"cores": 1, "memory": 50, "disk": 50, **task}) + "\n" for task in (
        {"command": "echo no such thing >&2; echo größe; exit 3"},
        {"command": f"echo begun; until [ -e {flow.folder}/go ]; do sleep 0.1; done; echo > two", "outputs": ["two"]},
        {"command": "true"},
        {"command": "cat two", "inputs": ["two"]})))
    process = flow.start("run", "--master", embedded_mesos.master, "-k", "--max-running", "1", "tasks.jsonl")
    page = flow.start("web")
    pointer = flow.folder / ".mfmesos/web.json"
    wait_until(pointer.exists, 60, "the page")
    found = Seen(flow, tmp_path / "elsewhere", json.loads(pointer.read_text())["link"])

    def begun() -> bool:
        data = json.loads(found.shown("status", "--json", found.link).out)
        return [one["task"] for one in data["running"]] == [2] and bool(data["failures"])

    wait_until(begun, 60, "the second task to run, and the first one's end to be recorded")
    yield found
    flow.write("go", "")
    assert flow.end(process).code == 1
    page.terminate()
    assert flow.end(page).code == 0


def test_what_it_shows(seen: Seen, monkeypatch) -> None:
    """As in the run's folder: the screen of status, reasons of tasks that wait and that failed, what tasks printed."""
    screen = seen.shown("status", seen.link)
    assert screen.out.splitlines()[0].endswith("/flow")
    assert screen.line_with("1 running, 2 waiting (1 for other tasks)")
    assert screen.line_with("exit code 3", "1: echo no such thing")
    assert seen.token not in screen.out

    monkeypatch.setenv("MFMESOS_PAGE_TOKEN", seen.token)
    first, _, second = seen.shown("why", seen.url).out.splitlines()[:3]
    assert (first, second[:11]) == ("2 waiting, 1 of them for other tasks; the first of the others:", "task 3 has ")
    assert seen.shown("why", seen.url, "cat two").line_with("two of task 2")
    failed = seen.shown("why", seen.url, "1")
    assert failed.line_with("task 1 failed: exit code 3")
    assert failed.line_with("  no such thing")
    assert failed.line_with("its output is in ", f"{seen.flow.folder}/.mfmesos/logs/task-1.stderr")

    logs = subprocess.run([*MFMESOS, "logs", seen.url, "1"], cwd=seen.elsewhere.folder, capture_output=True, timeout=60)
    assert (logs.stdout, logs.stderr) == ("größe\n".encode(), b"no such thing\n")
    assert seen.shown("logs", seen.url, "2").out == "begun\n"
    follows = seen.elsewhere.start("logs", "-f", seen.url, "two")
    seen.flow.write("go", "")
    assert seen.elsewhere.end(follows) == Ended(0, "begun\n")


def test_top(seen: Seen) -> None:
    """The tables of the run, through its page."""
    screen = Screen(seen.elsewhere.folder, "top", seen.link)
    try:
        screen.wait_for("echo begu", "1-1 of 1 tasks, by time")
        screen.press("w")
        screen.wait_for("1-2 of 2 waiting, by turn", "it waits for its turn", "it waits for two of task 2")
        screen.press("q")
        assert screen.process.wait(30) == 0
    finally:
        screen.close()


def test_the_token_is_in_no_list_of_processes(seen: Seen) -> None:
    """A command that was given the whole link soon runs without its token, and still shows the run."""
    watching = seen.elsewhere.start("status", "--watch", seen.link)
    line = Path(f"/proc/{watching.pid}/cmdline")
    wait_until(lambda: "status" in line.read_text() and seen.token not in line.read_text(), 20, "another command line")
    assert seen.url.encode() in line.read_bytes()
    assert watching.stdout is not None
    assert watching.stdout.readline().endswith("/flow\n")
    watching.terminate()
    watching.communicate(timeout=30)


def one_line(done: Ended) -> str:
    assert (done.code, done.out.count("\n")) == (1, 1), done.out
    return done.out


def test_what_goes_wrong(seen: Seen) -> None:
    """One line each that says what to do, never with the token; no page changes anything for who asks it."""
    assert "the token is wrong" in one_line(seen.shown("status", f"{seen.url}?token=WRONG{seen.token}"))
    assert "MFMESOS_PAGE_TOKEN" in one_line(seen.shown("why", seen.url))
    assert "no task 'nothing'" in one_line(seen.shown("why", seen.link, "nothing"))
    silent = one_line(seen.shown("logs", f"http://127.0.0.1:{free_port()}/?token={seen.token}", "1"))
    assert "no page answers" in silent
    assert seen.token not in silent

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            done = seen.shown("status", f"http://127.0.0.1:{other.server_port}/?token=x")
        finally:
            other.shutdown()
    assert "is no page of mfmesos" in one_line(done)
    away = seen.shown("status", f"http://node7.example.org:8080/?token={seen.token}")
    assert (away.code, "ssh -L" in re.sub(r"\s+", " ", away.out), seen.token in away.out) == (2, True, False)
