"""Inputs on web servers in real runs: fetched by the agents, compared at a rerun, and kept secret."""
from __future__ import annotations

import hashlib
import json
import os
import signal

import pytest
from flows import Flow, nothing_stays
from support import wait_until
from webserver import Page, WebServer, web_server

BODY = b"genome\n" * 100_000
SUM = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server():
    with web_server() as found:
        found.pages["/g"] = Page(BODY, '"1"')
        yield found


def lines(flow: Flow, *tasks: dict[str, object]) -> None:
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))


def task(number: int, url: str, **more: object) -> dict[str, object]:
    return {"command": f"sha256sum < ref/g > o{number}", "outputs": [f"o{number}"],
            "inputs": [{"name": "ref/g", "url": url, **more}]}


def test_a_run_and_its_reruns(embedded_mesos, tmp_path, server: WebServer):
    """Asked once, fetched once per claim; nothing runs again while the server has the same version or does not answer;
    a new version runs again."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    url = f"{server.url}/g"
    lines(flow, *(task(i, url) for i in range(6)))
    with nothing_stays(embedded_mesos):
        assert flow.run("tasks.jsonl").code == 0
    assert flow.files()["o3"].split()[0].decode() == SUM
    assert len(server.asked("HEAD")) == 1
    assert len(server.asked("GET")) <= 2  # one for each claim
    assert not (flow.folder / "ref").exists()
    again = flow.run("--plain", "tasks.jsonl")
    assert "6 of them in an earlier run" in again.out
    assert len(server.asked("GET")) <= 2
    server.pages["/g"] = Page(b"new", '"2"')
    dry = flow.run("--dry-run", "tasks.jsonl")
    assert dry.out.count("ref/g changed") == 6
    assert flow.run("tasks.jsonl").code == 0
    assert flow.files()["o3"].split()[0].decode() == hashlib.sha256(b"new").hexdigest()
    gets = len(server.asked("GET"))
    server.pages["/g"].statuses = [403] * 9
    kept = flow.run("tasks.jsonl")
    assert kept.code == 0
    assert kept.out.count("was not compared with its web server") == 1
    assert len(server.asked("GET")) <= gets + 1  # a server that refuses HEAD may answer a GET


def test_failures(embedded_mesos, tmp_path, server: WebServer):
    """A file that does not exist, by the scheduler and by an agent; another sha256; a change during the run: each fails
    its task with one line, without password or query."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    secret = server.url.replace("://", "://me:s3cret@")
    server.pages["/late"] = Page(BODY, '"2"', etags=['"1"'])
    lines(flow, task(1, f"{secret}/gone?key=s3cret"), task(2, f"{secret}/gone?key=s3cret", sha256="1" * 64),
          task(3, f"{secret}/g?key=s3cret", sha256="0" * 64), task(4, f"{server.url}/g", sha256=SUM),
          task(5, f"{server.url}/late"))
    ended = flow.run("--keep-going", "-v", "tasks.jsonl")
    assert ended.code == 1
    reasons = {entry["task"]: entry["reason"] for entry in flow.report()}
    assert reasons[1] == f"input ref/g is not available: {server.url}/gone?...: HTTP 404 (Not Found)"
    assert reasons[2] == f"input ref/g could not be fetched: {server.url}/gone?...: HTTP 404 (Not Found)"
    assert reasons[3].endswith(f"/g?...: its sha256 is {SUM}, not {'0' * 64}")
    assert reasons[4] == ""
    assert "changed on the server since its task was submitted" in reasons[5]
    assert "s3cret" not in ended.out
    for path in (flow.folder / ".mfmesos").rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path
    for box in embedded_mesos.sandboxes():
        for path in (box / "stderr", box / "stdout"):
            assert not path.exists() or b"s3cret" not in path.read_bytes(), path


def test_a_scheduler_that_is_killed(embedded_mesos, tmp_path, server: WebServer):
    """The next one asks nobody: the run continues with the version that the first one saw, and nothing runs twice."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    go = tmp_path / "go"
    lines(flow, {**task(1, f"{server.url}/g"), "command": f"until [ -e {go} ]; do sleep 0.05; done; "
                 f"echo x >> {tmp_path}/ran; sha256sum < ref/g > o1"})
    first = flow.start("run", "--master", embedded_mesos.master, "tasks.jsonl")
    wait_until(lambda: server.asked("GET"), 30, "the transfer")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    asked = len(server.requests)
    second = flow.start("run", "--master", embedded_mesos.master, "tasks.jsonl")
    wait_until(lambda: "event=resumed tasks=1" in flow.log(), 30, "the second scheduler")
    go.touch()
    assert flow.end(second).code == 0
    assert (tmp_path / "ran").read_text() == "x\n"
    assert len(server.requests) == asked


def test_a_file_that_grows(embedded_mesos, tmp_path, server: WebServer):
    """With --follow a task that comes later is asked for as well, and stays done at a rerun."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    lines(flow)
    first = flow.start("run", "--master", embedded_mesos.master, "--follow", "tasks.jsonl")
    wait_until(lambda: (flow.folder / "mesos_task_state").exists(), 30, "the start")
    with (flow.folder / "tasks.jsonl").open("a") as f:
        f.write(json.dumps(task(1, f"{server.url}/g")) + "\n")
    wait_until(lambda: (flow.folder / "mesos_task_state").read_text() == "1,finished\n", 30, "its end")
    (flow.folder / "mesos_done").touch()
    assert flow.end(first).code == 0
    text = (flow.folder / "tasks.jsonl").read_text()
    (flow.folder / "tasks.jsonl").write_text("")
    (flow.folder / "mesos_done").unlink()
    gets = len(server.asked("GET"))
    second = flow.start("run", "--master", embedded_mesos.master, "--follow", "tasks.jsonl")
    wait_until(lambda: (flow.folder / "mesos_task_state").read_text() == "", 30, "the start")
    with (flow.folder / "tasks.jsonl").open("a") as f:
        f.write(text)
    wait_until(lambda: (flow.folder / "mesos_task_state").read_text() == "1,finished\n", 30, "its line")
    (flow.folder / "mesos_done").touch()
    assert flow.end(second).code == 0
    assert len(server.asked("HEAD")) == 2
    assert len(server.asked("GET")) == gets
