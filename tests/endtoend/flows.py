"""Runs real programs against a cluster: `mfmesos makeflow`, `mfmesos run`, plain makeflow; and looks what they left."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from clusters import Cluster
from support import need, wait_until

from mfmesos.shared.addresses import is_loopback

MFMESOS = [sys.executable, "-m", "mfmesos"]
PRIVATE = (".mfmesos", *(f"Makeflow.{kind}log" for kind in ("makeflow", "mesos", "", "batch", "wq")))


STARTED: list[subprocess.Popen[str]] = []
"""What flows have started in the present test: a test that fails must not leave a run to those that follow."""


def end_started() -> None:
    """Kill what is left of them, with what they have started."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is not None:
            continue
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        process.kill()
        process.wait()


def need_makeflow() -> None:
    need(shutil.which("makeflow") is not None, "no makeflow here",
         "apt-get install coop-computing-tools openmpi-bin python-is-python3")


@dataclass
class Ended:
    code: int
    out: str

    def line_with(self, *words: str) -> str:
        """The first line of the output that holds all the words; AssertionError with the whole output otherwise."""
        for line in self.out.splitlines():
            if all(word in line for word in words):
                return line
        raise AssertionError(f"no line with {words} in:\n{self.out}")


class Flow:
    """A workflow's folder and the cluster that it runs on."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """`mfmesos ARGV` in the folder, in a session of its own; stdout and stderr together."""
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        started = subprocess.Popen(
            [*MFMESOS, *argv], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True, env=env, **more)
        STARTED.append(started)
        return started

    def end(self, process: subprocess.Popen[str], timeout: float = 90) -> Ended:
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            raise AssertionError(f"not over after {timeout} s; it said:\n{out}\n--- log:\n{self.log()}") from None
        return Ended(process.returncode, out)

    def makeflow_argv(self, *args: str) -> list[str]:
        return ["makeflow", "--master", self.cluster.master, "--", *(args or ("Makeflow",))]

    def makeflow(self, *args: str, timeout: float = 90) -> Ended:
        """mfmesos makeflow --master ... -- ARGS (default: the file Makeflow)."""
        need_makeflow()
        return self.end(self.start(*self.makeflow_argv(*args)), timeout)

    def run(self, *args: str, timeout: float = 90) -> Ended:
        """mfmesos run --master ... ARGS."""
        return self.end(self.start("run", "--master", self.cluster.master, *args), timeout)

    def log(self) -> str:
        path = self.folder / ".mfmesos" / "scheduler.log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else "(no log)"

    def report(self) -> list[dict[str, Any]]:
        path = self.folder / ".mfmesos" / "report.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def files(self) -> dict[str, bytes]:
        """Every file of the folder but makeflow's and our own books, by its relative name."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            if path.is_file() and not name.startswith(PRIVATE) and ".makeflowlog" not in name:
                found[name] = path.read_bytes()
        return found


def steady(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without a BLAST database's contents, which hold the time of their making."""
    return {name: b"" if name.startswith("db") or ".n" in name or ".p" in name else data
            for name, data in files.items()}


def outer_address() -> str:
    """An IPv4 address of this machine that is not loopback, or nothing."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found = [a.address for name in sorted(up) for a in psutil.net_if_addrs().get(name, ())
             if a.family == socket.AF_INET and not is_loopback(a.address)]
    return found[0] if found else ""


def plain_makeflow(folder: Path, *args: str) -> None:
    """makeflow -T local: what the outputs should be."""
    need_makeflow()
    done = subprocess.run(["makeflow", "-T", "local", *args], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def nothing_stays(cluster: Cluster) -> Iterator[None]:
    """After the block: nothing of it on the agents, no framework at the master."""
    before = set(cluster.sandboxes())
    yield
    wait_until(lambda: not left_on_agents(cluster, before), 15, "the agents to be clean")
    wait_until(lambda: not cluster.get("/state")["frameworks"], 15, "the framework to be torn down")


def left_on_agents(cluster: Cluster, framework_sandboxes_before: set[Path]) -> list[str]:
    """What our executors left in their sandboxes beyond Mesos's own stdout and stderr, and processes that live on."""
    left = [f"process {pid}" for pid in cluster.processes()]
    for box in set(cluster.sandboxes()) - framework_sandboxes_before:
        left += [str(p) for p in box.rglob("*") if p.name not in ("stdout", "stderr")]
    return left
