"""Clusters for tests: a real Mesos and the embedded one, each a process of its own, behind one handle.

Fixtures (registered by conftest.py):

    real_mesos        session: a real Mesos with 2 agents
    embedded_mesos    session: the embedded cluster with 2 agents of the same size
    cluster           one after the other, for tests that claim the same of both
    make_real_mesos, make_embedded    factories: a cluster of the test's own, ended with the test
    make_cluster      the factory, parametrised over both

Every cluster ends with the test session, also when that is killed: its process watches its parent.
"""
from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from realmesos import __main__ as realmesos_main
from realmesos import install, processes
from support import need, wait_until

TESTS = Path(__file__).resolve().parent
RESOURCES = "cpus:4;mem:4096;disk:20000"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ClusterError(Exception):
    """An operator's call was refused: the status and the master's answer."""


class Cluster:
    """A cluster in a process of its own. `master` is "127.0.0.1:PORT", `agents` the same for each agent."""

    kind = ""

    def __init__(
            self, *, agents: int = 2, resources: str = RESOURCES, flags: Mapping[str, str] | None = None,
            work_dir: Path | None = None, credential: tuple[str, str] | None = None,
            environ: Mapping[str, str] | None = None) -> None:
        self.environ = environ or {}
        """Variables that master and agents are started with, beside the usual ones."""
        self.count, self.resources, self.flags = agents, resources, dict(flags or {})
        self._own_folder = work_dir is None
        self.work_dir = (work_dir or Path(tempfile.mkdtemp(prefix=f"mfmesos-{self.kind}-"))).resolve()
        self.credential = credential
        """Principal and secret for the operator's calls; see `flags` for what makes the cluster want one."""
        self.log = self.work_dir / "cluster.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.master, self.agents, self.info = "", [], {}
        self._gone: set[str] = set()
        self.start()

    # --- life ----------------------------------------------------------------------------------
    def command(self, ready: Path) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Starts the process and returns when every agent is registered."""
        ready = self.work_dir / "ready.json"
        ready.unlink(missing_ok=True)
        env = {"PATH": PATH, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8",
               "PYTHONPATH": f"{TESTS}:{TESTS.parent}", **self.environ,
               **{k: v for k, v in os.environ.items() if k == "REALMESOS_HOME"}}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(ready), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                cwd=self.work_dir, start_new_session=True)
        try:
            wait_until(lambda: ready.exists() or self.process.poll() is not None, 40, f"{self.kind} cluster to be up")
            assert ready.exists(), f"the {self.kind} cluster ended at once: {self.log_tail()}"
        except BaseException:
            self.stop()
            raise
        self.info = json.loads(ready.read_text())
        self.master, self.agents = self.info["master"], self.info["agents"]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL of master and agents at once; executors live on, as after a power cut of the agent's process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Starts again on the same work dir and ports, after kill() or instead of it."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """SIGTERM, then whatever it takes; removes the work dir when it is ours."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        processes.end_all(self.work_dir)
        if root := self.info.get("cgroups_root"):
            realmesos_main.remove_cgroups(root)
        if self._own_folder:
            shutil.rmtree(self.work_dir, ignore_errors=True)

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # --- what an operator sees and does ----------------------------------------------------------
    def request(self, address: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of a GET, or of a POST of `body` as JSON."""
        request = urllib.request.Request(f"http://{address}{path}", headers={"Accept": "application/json"})
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.credential:
            basic = base64.b64encode(":".join(self.credential).encode()).decode()
            request.add_header("Authorization", f"Basic {basic}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, e.read()

    def get(self, path: str, agent: int | None = None) -> Any:
        """The JSON of an endpoint of the master, or of agent `agent` (from 0)."""
        address = self.master if agent is None else self.agents[agent]
        status, body = self.request(address, path)
        if status != 200:
            raise ClusterError(f"GET {path}: {status} {body.decode(errors='replace')}")
        return json.loads(body)

    def call(self, type: str, **fields: Any) -> Any:
        """An operator's call of the master's /api/v1, e.g. call("MARK_AGENT_GONE", mark_agent_gone={...})."""
        status, body = self.request(self.master, "/api/v1", {"type": type, **fields})
        if status not in (200, 202):
            raise ClusterError(f"{type}: {status} {body.decode(errors='replace')}")
        return json.loads(body) if body.strip() else None

    def agent_ids(self) -> list[str]:
        """The id of each agent, in the order of `agents`."""
        return [self.get("/state", i)["id"] for i in range(len(self.agents))]

    def mark_agent_gone(self, agent_id: str) -> None:
        self.call("MARK_AGENT_GONE", mark_agent_gone={"agent_id": {"value": agent_id}})

    def drain_agent(self, agent_id: str, max_grace_s: float | None = None, mark_gone: bool = False) -> None:
        drain: dict[str, Any] = {"agent_id": {"value": agent_id}, "mark_gone": mark_gone}
        if max_grace_s is not None:
            drain["max_grace_period"] = {"nanoseconds": int(max_grace_s * 1e9)}
        self.call("DRAIN_AGENT", drain_agent=drain)

    def reactivate_agent(self, agent_id: str) -> None:
        self.call("REACTIVATE_AGENT", reactivate_agent={"agent_id": {"value": agent_id}})

    def schedule_maintenance(self, start: float, duration_s: float = 3600, hostname: str = "localhost") -> None:
        """Every agent of `hostname` is planned to be unavailable from `start` (seconds since the epoch) on."""
        machine = {"hostname": hostname, "ip": "127.0.0.1"}
        window = {"machine_ids": [machine], "unavailability": {
            "start": {"nanoseconds": int(start * 1e9)}, "duration": {"nanoseconds": int(duration_s * 1e9)}}}
        self.call("UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": {"windows": [window]}})

    def clear_maintenance(self) -> None:
        self.call("UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": {"windows": []}})

    def teardown(self, framework_id: str) -> None:
        self.call("TEARDOWN", teardown={"framework_id": {"value": framework_id}})

    # --- what is on the machine ------------------------------------------------------------------
    def sandboxes(self) -> list[Path]:
        """The sandbox of every executor that ever ran and was not yet cleared away."""
        return sorted(p for p in self.work_dir.glob("agents/*/work/slaves/*/frameworks/*/executors/*/runs/*")
                      if not p.is_symlink())

    def processes(self) -> list[int]:
        """Pids of executors, and of everything they started."""
        return [pid for pid in processes.processes_of(self.work_dir / "agents") if pid != self.pid]

    def executors(self) -> list[int]:
        return processes.executors_of(self.work_dir / "agents")


class RealMesos(Cluster):
    """A real Apache Mesos; `flags` are those of mesos-master and mesos-agent."""

    kind = "real"

    def __init__(self, *, attributes: Sequence[str] = (), **settings: Any) -> None:
        """`attributes`: of each agent, as the agent's flag has them."""
        self.attributes = attributes
        super().__init__(**settings)

    def command(self, ready: Path) -> list[str]:
        return [sys.executable, "-m", "realmesos", "run", "--agents", str(self.count), "--resources", self.resources,
                "--work-dir", str(self.work_dir), "--ready-file", str(ready), "--parent-pid", str(os.getpid()),
                *(["--temporary"] if self._own_folder else []),
                *(f"--flag={name}={value}" for name, value in self.flags.items()),
                *(f"--attributes={one}" for one in self.attributes)]

    def mark_agent_gone(self, agent_id: str) -> None:
        """Its name is never taken again: after a restart it begins under a new one, as an operator has to see to."""
        super().mark_agent_gone(agent_id)
        self._gone.add(agent_id)

    def restart(self) -> None:
        self.kill()
        for latest in self.work_dir.glob("agents/*/work/meta/slaves/latest"):
            if latest.resolve().name in self._gone:
                latest.unlink()
        self.start()


class EmbeddedMesos(Cluster):
    """The embedded cluster; `flags` are options of `python -m mfmesos.local`."""

    kind = "embedded"

    def command(self, ready: Path) -> list[str]:
        return [sys.executable, "-m", "mfmesos.local", "--agents", str(self.count), "--work-dir", str(self.work_dir),
                f"--resources={self.resources}", "--ready-file", str(ready), "--parent-pid", str(os.getpid()),
                "--faults",
                *(f"--{name}={value}" for name, value in self.flags.items())]

    def fault(self, kind: str, **fields: Any) -> Any:
        """A fault on demand; see mfmesos.local.faults."""
        status, body = self.request(self.master, "/faults", {"kind": kind, **fields})
        if status != 200:
            raise ClusterError(f"fault {kind}: {status} {body.decode(errors='replace')}")
        return json.loads(body)


@functools.lru_cache(maxsize=1)
def why_no_real_mesos() -> str:
    """Empty when real Mesos is available here; else the reason with its cure."""
    try:
        install.install()
    except install.InstallError as e:
        return str(e)
    return ""


def need_real_mesos() -> None:
    need(not why_no_real_mesos(), "no real Mesos here", why_no_real_mesos())


KINDS: dict[str, type[Cluster]] = {"embedded": EmbeddedMesos, "real": RealMesos}


class MakeCluster:
    """Call it as RealMesos or EmbeddedMesos; what it made ends with the test."""

    def __init__(self, kind: str) -> None:
        self.kind, self.made = kind, []

    def __call__(self, **settings: Any) -> Cluster:
        self.made.append(KINDS[self.kind](**settings))
        return self.made[-1]


@contextlib.contextmanager
def clusters_of(kind: str) -> Iterator[MakeCluster]:
    """A factory whose clusters end with the block."""
    if kind == "real":
        need_real_mesos()
    make = MakeCluster(kind)
    try:
        yield make
    finally:
        for one in make.made:
            one.stop()


@pytest.fixture
def make_real_mesos() -> Iterator[MakeCluster]:
    """make_real_mesos(agents=2, resources="cpus:4;...", flags={}, work_dir=None): ended with the test."""
    with clusters_of("real") as make:
        yield make


@pytest.fixture
def make_embedded() -> Iterator[MakeCluster]:
    with clusters_of("embedded") as make:
        yield make


@pytest.fixture(params=list(KINDS))
def make_cluster(request: pytest.FixtureRequest) -> Iterator[MakeCluster]:
    with clusters_of(request.param) as make:
        yield make


@pytest.fixture(scope="session")
def real_mesos() -> Iterator[Cluster]:
    """One real Mesos for the whole session; leave no framework of yours behind."""
    with clusters_of("real") as make:
        yield make()


@pytest.fixture(scope="session")
def embedded_mesos() -> Iterator[Cluster]:
    with clusters_of("embedded") as make:
        yield make()


@pytest.fixture(params=list(KINDS))
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """The session's embedded and real cluster in turn."""
    name = "real_mesos" if request.param == "real" else "embedded_mesos"
    found: Cluster = request.getfixturevalue(name)
    return found


def cgroup_flags() -> dict[str, str]:
    """Flags for a real Mesos that kills containers over their memory; needs root and cgroup v1."""
    need(os.geteuid() == 0, "cgroup isolation needs root", "run the tests as root for this one")
    need(Path("/sys/fs/cgroup/memory").is_dir(), "Mesos 1.11 knows cgroup v1 only",
         "boot with systemd.unified_cgroup_hierarchy=0, or run these tests in CI")
    return {"launcher": "linux", "isolation": "cgroups/cpu,cgroups/mem"}


def authentication_flags(folder: Path, principal: str, secret: str) -> dict[str, str]:
    """Flags for a real Mesos that lets frameworks in with this principal and secret only."""
    file = folder / "credentials.json"
    file.write_text(json.dumps({"credentials": [{"principal": principal, "secret": secret}]}))
    file.chmod(0o600)
    return {"authenticate_http_frameworks": "true", "http_framework_authenticators": "basic",
            "credentials": str(file)}


__all__ = [
    "Cluster", "ClusterError", "EmbeddedMesos", "RealMesos", "authentication_flags", "cgroup_flags", "cluster",
    "embedded_mesos", "make_cluster", "make_embedded", "make_real_mesos", "need_real_mesos", "real_mesos",
]
