"""`mfmesos top` on a real terminal of 80 columns (a pty), about a real run."""
from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator

import pytest
from flows import MFMESOS, Flow
from support import wait_until

CONTROLS = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-Za-z]|[=>78])")


class Screen:
    """A command on a pty of 80 columns and 24 lines, and all that it wrote."""

    def __init__(self, flow: Flow, *argv: str) -> None:
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.before = termios.tcgetattr(other)
        self._other = other
        self.process = subprocess.Popen(
            [*MFMESOS, *argv], cwd=flow.folder, stdin=other, stdout=other, stderr=other, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**{name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")},
                 "TERM": "xterm"})
        self.raw = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.raw += os.read(self._main, 65536).decode(errors="replace")
            except OSError:
                return

    @property
    def text(self) -> str:
        return CONTROLS.sub(" ", self.raw)

    def wait_for(self, *words: str) -> None:
        """Until a screen has them all; Ctrl-L draws all of it, and not only what has changed."""
        start = len(self.raw)

        def has() -> bool:
            self.press("\f")
            return all(word in CONTROLS.sub(" ", self.raw[start:]) for word in words)
        wait_until(has, 60, f"{words} on the screen")

    def press(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def restored(self) -> bool:
        """Whether the terminal is as it was: its modes, and its own screen instead of the alternate one."""
        return termios.tcgetattr(self._other) == self.before and self.raw.rfind("\x1b[?1049l") > self.raw.rfind(
            "\x1b[?1049h") > -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._other)
        os.close(self._main)


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
    """It shows the task and, after a key, the agent; it ends at once, leaves the terminal as it was, and the run alone.
    """
    screen = Screen(run, "top")
    try:
        screen.wait_for("until [", "1 running, 1 waiting (1 inputs)", "1-1 of 1 tasks, by time")
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
    screen = Screen(run, "top")
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
