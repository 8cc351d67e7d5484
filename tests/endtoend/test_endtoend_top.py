"""`mfmesos top` on a real terminal about a real run."""
from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flows import Flow
from support import wait_until
from terminals import Screen


@pytest.fixture
def run(tmp_path, embedded_mesos) -> Iterator[Flow]:
    """A run with a task that lasts until the test ends, and one that waits for it."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("tasks.jsonl", "".join(json.dumps({"cores": 1, "memory": 50, "disk": 50, **task}) + "\n" for task in (
        {"command": f"until [ -e {flow.folder}/go ]; do sleep 0.1; done; echo > one", "outputs": ["one"]},
        {"command": "cat one", "inputs": ["one"]})))
    process = flow.start("run", "--master", embedded_mesos.master, "tasks.jsonl")
    wait_until(lambda: '"running": 1' in flow.end(flow.start("status", "--json")).out, 60, "the task to run")
    yield flow
    flow.write("go", "")
    assert flow.end(process).code == 0


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "ctrl-c"])
def test_top(run: Flow, key: str) -> None:
    """It shows the task and, after keys, what waits and the agent; it ends at once, leaves the terminal as it was, and
    the run alone.
    """
    screen = Screen(run.folder, "top")
    try:
        screen.wait_for("until [", "1 running, 1 waiting (1 inputs)", "1-1 of 1 tasks, by time")
        screen.press("w")
        screen.wait_for("1-1 of 1 waiting, by turn", "it waits for one of task 1")
        screen.press("a")
        screen.wait_for("1-1 of 1 agents, by tasks")
        screen.press("t>r")
        screen.wait_for("1-1 of 1 tasks, by task reversed")
        screen.press(key)
        assert screen.process.wait(30) == 0
        wait_until(screen.restored, 20, "the terminal as it was")
        assert "Traceback" not in screen.text
    finally:
        screen.close()


def test_the_run_ends_meanwhile(run: Flow) -> None:
    """One line, and the terminal as it was."""
    screen = Screen(run.folder, "top")
    try:
        screen.wait_for("1-1 of 1 tasks")
        run.write("go", "")
        assert screen.process.wait(60) == 1
        wait_until(screen.restored, 20, "the terminal as it was")
        wait_until(lambda: "mfmesos: " in screen.text.split("quit")[-1], 20, "the line")
    finally:
        screen.close()


def test_without_a_terminal(run: Flow) -> None:
    """It says what to do instead."""
    done = run.end(run.start("top"))
    assert (done.code, "mfmesos status" in done.out) == (1, True)
