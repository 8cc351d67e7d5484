"""What tests of workers share: a catalog server of their own, real managers that report to it."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clusters import Cluster
from flows import Ended, Flow, need_makeflow, outer_address
from support import free_port, need, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples" / "workflows"
PROJECT = "p"


class Catalog:
    """Debian's catalog server, by default on loopback, which reports to no other."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        folder.mkdir()
        self.told: list[subprocess.Popen[str]] = []
        """Managers that were started to tell it of themselves."""
        for _ in range(3):  # it takes the next port, too
            self.port = free_port()
            self.address = f"{host}:{self.port}"
            self.process = subprocess.Popen(
                ["catalog_server", "-I", host, "-p", str(self.port), "-H", str(folder), "-u", "127.0.0.1:1"],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: self.process.poll() is not None or self.answers(), 10, "the catalog server")
            if self.process.poll() is None:
                break

    def answers(self) -> bool:
        try:
            self.managers()
        except OSError:
            return False
        return True

    def managers(self) -> list[str]:
        """The projects that it lists."""
        with urllib.request.urlopen(f"http://{self.address}/query.json", timeout=5) as answer:
            return [found["project"] for found in json.load(answer) if found.get("type") == "wq_master"]

    def factories(self) -> list[str]:
        """The projects that factories serve, as it lists them."""
        with urllib.request.urlopen(f"http://{self.address}/query.json", timeout=5) as answer:
            return [found["project_regex"].strip("()") for found in json.load(answer)
                    if found.get("type") == "vine_factory"]

    def stop(self) -> None:
        """And the managers of a test that failed."""
        for manager in self.told:
            manager.kill()
        self.process.kill()
        self.process.wait()


class WorkerFlow(Flow):
    """A folder in which a program is started that starts workers; the program's own folder, `work`, is in there."""

    def __init__(self, folder: Path, cluster: Cluster, catalog: Catalog, work: str) -> None:
        super().__init__(folder, cluster)
        self.catalog, self.work = catalog, folder / work
        self.started: list[subprocess.Popen[str]] = []

    def log(self) -> str:
        path = self.work / ".mfmesos" / "scheduler.log"
        return path.read_text(errors="replace")[-6000:] if path.exists() else "(no log)"

    def metrics(self) -> str:
        """Of the page beside the run, which --web starts."""
        address, token = json.loads((self.work / ".mfmesos/web.json").read_text())["link"].split("?token=")
        with urllib.request.urlopen(f"{address}metrics?token={token}", timeout=60) as answer:
            found: str = answer.read().decode()
        return found

    def interrupt(self, process: subprocess.Popen[str]) -> Ended:
        """Ctrl-C, as a terminal sends it."""
        os.killpg(process.pid, signal.SIGINT)
        return self.end(process, 40)

    def workers(self) -> list[psutil.Process]:
        """The worker processes on the agents."""
        found = []
        for pid in self.cluster.processes():
            try:
                process = psutil.Process(pid)
                named = any(word.endswith("/work_queue_worker") for word in process.cmdline()[:4])
                if named and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def connected(self, count: int) -> bool:
        """Whether `count` workers exist, and each has made its own folder: it has read its arguments."""
        return sum(bool(list(Path(w.cwd()).parent.rglob("worker-*"))) for w in self.workers()) == count

    def kill_started(self) -> None:
        for process in self.started:
            process.kill()
        wait_until(lambda: not self.workers(), 15, "the workers to end")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    need_makeflow()
    need(shutil.which("catalog_server") is not None, "no catalog_server here", "apt-get install coop-computing-tools")
    made = Catalog(tmp_path / "catalog")
    yield made
    made.stop()


def catalog_for_foremen(folder: Path) -> Catalog:
    """On an address that is not loopback: a foreman of cctools 8.0 refuses a manager there."""
    host = outer_address()
    need(host, "only loopback is there", "give the machine a network interface")
    return Catalog(folder, host)


@contextlib.contextmanager
def foreman(name: str, catalog: Catalog, folder: Path) -> Iterator[None]:
    """Debian's, of PROJECT's manager; it tells only the catalog that the environment names."""
    host, _, port = catalog.address.partition(":")
    process = subprocess.Popen(
        ["work_queue_worker", "-f", name, "-M", PROJECT, "-C", catalog.address, "-s", str(folder)], cwd=folder,
        env={**os.environ, "CATALOG_HOST": host, "CATALOG_PORT": port},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: name in catalog.managers(), 30, "the foreman")
        yield
    finally:
        process.kill()
        process.wait()


def start_manager(flow: Flow, catalog: Catalog, *args: str, project: str = PROJECT) -> subprocess.Popen[str]:
    """makeflow -T wq, once the catalog lists it."""
    process = subprocess.Popen(
        ["makeflow", "-T", "wq", "-N", project, "-p", "0", "-C", catalog.address, *args], cwd=flow.folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    catalog.told.append(process)
    wait_until(lambda: process.poll() is not None or project in catalog.managers(), 20, "the manager")
    return process


def sleepers(seconds: str) -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", seconds]]
