"""The real TaskVine and Work Queue of cctools' main branch, where $VINE is the prefix that they were installed to."""
from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import wait_until

PROGRAM = Path(__file__).with_name("vine_program.py")
CURE = ("build cctools' main branch with ./configure --prefix PREFIX --without-system-parrot --without-system-chirp "
        "--without-system-grow, then run VINE=PREFIX make test-vine")


@pytest.fixture
def vine() -> Path:
    """The prefix; where there is none, CI too skips with the cure: no package has these programs. What CI runs instead
    is the stand-in of tests/managers.py, which test_endtoend_vine.py holds against the real ones."""
    prefix = Path(os.environ.get("VINE", "/nonexistent"))
    if not (prefix / "bin" / "vine_worker").exists():
        pytest.skip(f"no TaskVine here; {CURE}")
    return prefix


class RealManager:
    """A manager that the test gives tasks; `lines` are what it has printed."""

    def __init__(self, prefix: Path, folder: Path, kind: str, **given: Any) -> None:
        folder.mkdir(exist_ok=True)
        packages = next(prefix.glob("lib/python3*/site-packages"))
        python = f"/usr/bin/{packages.parent.name}"
        self._process = subprocess.Popen(
            [python, str(PROGRAM), kind, json.dumps(given)], cwd=folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": str(packages)})
        self._lines: queue.Queue[str] = queue.Queue()
        self.ended: list[float] = []
        """For each ended task, the seconds since its submission."""
        self.outputs: list[str] = []
        """What each ended task has returned or written."""
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self._next("port"))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("done"):
                self.outputs.append(line.split()[-2].strip("'"))
                self.ended.append(float(line.split()[-1]))
            else:
                self._lines.put(line)

    def _next(self, word: str) -> str:
        while True:
            line = self._lines.get(timeout=60)  # a manager with TLS makes a key of 4096 bits first
            if line.startswith(word):
                return line[len(word):].strip()

    def _say(self, words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def block(self, host: str, on: bool) -> None:
        """Whether it accepts workers from that host."""
        self._say({"block": host, "on": on})
        self._next("submitted")

    def announce(self, tasks: int) -> None:
        """The number of tasks that the program will submit later."""
        self._say({"left": tasks})
        self._next("submitted")

    def learn(self, category: str) -> None:
        """It measures the tasks of this category, and gives them what they need."""
        self._say({"learn": category})
        self._next("submitted")

    def submit_all(self, tasks: list[dict[str, int | str]]) -> None:
        """Different tasks at once, as `submit` takes them."""
        self._say(tasks)
        self._next("submitted")

    def submit(self, command: str, count: int = 1, **request: int | str) -> float:
        """Returns when the manager has accepted the tasks."""
        self._say({"command": command, "count": count, **request})
        self._next("submitted")
        return time.monotonic()

    def stats(self) -> dict[str, int]:
        self._say("stats")
        found: dict[str, int] = json.loads(self._next("stats"))
        return found

    def wait_for(self, ended: int, seconds: float) -> None:
        """Until so many tasks have ended in all."""
        wait_until(lambda: len(self.ended) >= ended, seconds, f"{ended} tasks of {self.stats()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def managers(vine: Path, tmp_path: Path) -> Iterator[Any]:
    """managers(kind, name=..., ...) starts one."""
    made: list[RealManager] = []

    def make(kind: str, **given: Any) -> RealManager:
        made.append(RealManager(vine, tmp_path / f"manager-{len(made)}", kind, **given))
        return made[-1]
    yield make
    for one in made:
        one.kill()
