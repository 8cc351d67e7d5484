"""`mfmesos doctor`: one line per check, with the problem and the cure.

Every look at the machine or the network goes through `Probes`, so that tests can replace the results.
"""
from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from mfmesos import bundled
from mfmesos.doctor import gpu_checks, master_checks
from mfmesos.launchers import binaries
from mfmesos.settings.config import ConfigError
from mfmesos.shared.addresses import split_address
from mfmesos.shared.messages import doctor as m
from mfmesos.shared.plainerrors import plain, reason

TIMEOUT_S = 5.0
PACKAGES = {
    "coop-computing-tools": m.NEEDS_CCTOOLS(),
    "openmpi-bin": m.NEEDS_MPI(),
    "python-is-python3": m.NEEDS_PYTHON(),
}
LIBRARIES = (
    "pymesos", "http-parser", "addict", "aiohttp", "click", "cryptography", "h11", "kazoo", "psutil", "rich", "six",
    "watchdog")
LOW_DISK_MB = 1024
LOW_WATCHES = 1024
LOW_INSTANCES = 16


@dataclass(frozen=True)
class Finding:
    """One line: ok is True, False (something will not work) or None (a warning, or only partly known)."""

    name: str
    ok: bool | None
    text: str
    cure: str = ""

    def line(self) -> str:
        mark = {True: "ok", False: "MISSING", None: "note"}[self.ok]
        return f"{mark:8}{self.name}: {self.text}" + (f" -> {self.cure}" if self.cure else "")


def _get_json(url: str, headers: Mapping[str, str] | None = None) -> Any:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # masters are not behind web proxies
    with direct.open(urllib.request.Request(url, headers=dict(headers or {})), timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def _read(path: str) -> str:
    return Path(path).read_text().strip()


def _installed(package: str) -> bool | None:
    """Whether Debian's package is installed; None without dpkg."""
    if shutil.which("dpkg-query") is None:
        return None
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.startswith("install ok")


def _library(name: str) -> str | None:
    if bundled.carries(name.replace("-", "_")):
        return "bundled"
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _bind(address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.bind((address, 0))
        s.listen(1)


def _route_to(host: str, port: int) -> str:
    """This machine's address on the route to a host; no packet is sent."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.connect(address)
        return str(s.getsockname()[0])


def _worker_needs(environ: Mapping[str, str]) -> str:
    found = shutil.which("work_queue_worker", path=environ.get("PATH"))
    return binaries.needs_of_agents(Path(found)) if found else ""


@dataclass
class Probes:
    """The doctor's view of the machine and the network."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    python: Path = binaries.SYSTEM_PYTHON
    python_version: tuple[int, int] = sys.version_info[:2]
    cwd: Path = field(default_factory=Path.cwd)
    find_makeflow: Callable[[Mapping[str, str]], Path] = binaries.find_makeflow
    find_factory: Callable[[Mapping[str, str]], Path] = binaries.find_factory
    speaks_mesos: Callable[[Path], bool] = binaries.speaks_mesos
    worker_needs: Callable[[Mapping[str, str]], str] = _worker_needs
    probe: Callable[[Path, Mapping[str, str]], binaries.Makeflow] = binaries.probe
    preload: Callable[[], Path | None] = binaries.preload_library
    installed: Callable[[str], bool | None] = _installed
    library: Callable[[str], str | None] = _library
    bind: Callable[[str], None] = _bind
    route_to: Callable[[str, int], str] = _route_to
    get_json: Callable[..., Any] = _get_json
    leader: Callable[[str], str] = master_checks.leader
    subscribe: Callable[[str, master_checks.Wanted], str] = master_checks.subscribe
    read: Callable[[str], str] = _read
    free_mb: Callable[[Path], float] = lambda path: shutil.disk_usage(path).free / 2**20


def run(
    master: str | None = None, probes: Probes | None = None, wanted: master_checks.Wanted | None = None,
) -> list[Finding]:
    """Run all checks; never raises for a failed check. `master`: HOST:PORT, a list, or zk://...; `wanted`: the identity
    for the master.
    """
    probes = probes or Probes()
    found = [
        *_python(probes), *_makeflow(probes), _factory(probes), _system_python(probes), _preload(probes),
        *_packages(probes), *_ports(probes), *_inotify(probes), _disk(probes)]
    return found + (_master(master, probes, wanted or master_checks.Wanted()) if master and master != "local" else [])


def _python(probes: Probes) -> list[Finding]:
    version = ".".join(map(str, probes.python_version))
    if (3, 9) <= probes.python_version <= (3, 13):
        found = [Finding("python", True, m.PYTHON_TESTED(version=version, path=sys.executable))]
    else:
        found = [Finding("python", None, *m.PYTHON_UNTESTED.parts(version=version, path=sys.executable))]
    versions = {name: probes.library(name) for name in LIBRARIES}
    missing = [name for name, value in versions.items() if value is None]
    versions_found = ", ".join(f"{name} {value}" for name, value in versions.items() if value is not None)
    if missing:
        found.append(Finding("libraries", False, *m.LIBRARIES_MISSING.parts(names=", ".join(missing))))
    else:
        found.append(Finding("libraries", True, versions_found))
    return found


def _makeflow(probes: Probes) -> list[Finding]:
    try:
        path = probes.find_makeflow(probes.environ)
    except ConfigError as e:
        return [Finding("makeflow", False, str(e))]
    try:
        makeflow = probes.probe(path, probes.environ)
    except ConfigError as e:
        library = probes.preload()
        if library is not None and binaries.speaks_mesos(path) and binaries.takes_preload(path, library):
            return [Finding("makeflow", None, m.MAKEFLOW_WRAPPED_ONLY(why=e))]
        return [Finding("makeflow", False, str(e))]
    if makeflow.has_mesos:
        return [Finding("makeflow", True, m.ENGINE_HAS_MESOS(path=path, version=makeflow.version))]
    return [Finding("makeflow", False, *m.ENGINE_WITHOUT_MESOS.parts(path=path, version=makeflow.version))]


def _factory(probes: Probes) -> Finding:
    """Only `mfmesos factory` needs it, so a failure here is no error."""
    try:
        path, needs = probes.find_factory(probes.environ), probes.worker_needs(probes.environ)
    except (ConfigError, OSError) as e:
        return Finding(binaries.FACTORY, None, m.FACTORY_UNUSABLE(why=plain(e)))
    if not probes.speaks_mesos(path):
        return Finding(binaries.FACTORY, None, *m.FACTORY_WITHOUT_MESOS.parts(path=path))
    return Finding(binaries.FACTORY, True, m.FACTORY_FOUND(path=path, needs=needs) if needs
                   else m.FACTORY_FOUND_STATIC(path=path))


def _system_python(probes: Probes) -> Finding:
    try:
        binaries.require_python(probes.python)
    except ConfigError:
        return Finding(str(probes.python), False, *m.SYSTEM_PYTHON_MISSING.parts())
    return Finding(str(probes.python), True, m.SYSTEM_PYTHON_FOUND())


def _preload(probes: Probes) -> Finding:
    library = probes.preload()
    if library is None:
        return Finding("preloaded library", None, *m.PRELOAD_MISSING.parts())
    return Finding("preloaded library", True, m.PRELOAD_FOUND(name=library.name))


def _packages(probes: Probes) -> list[Finding]:
    states = {name: probes.installed(name) for name in PACKAGES}
    if None in states.values():
        return [Finding("Debian packages", None, m.PACKAGES_UNKNOWN())]
    missing = [name for name, installed in states.items() if not installed]
    if not missing:
        return [Finding("Debian packages", True, ", ".join(states))]
    why = "; ".join(f"{name} ({PACKAGES[name]})" for name in missing)
    return [Finding("Debian packages", None, *m.PACKAGES_MISSING.parts(packages=why, names=" ".join(missing)))]


def _ports(probes: Probes) -> list[Finding]:
    try:
        probes.bind("127.0.0.1")
    except OSError as e:
        return [Finding("ports", False, *m.PORTS_UNUSABLE.parts(why=plain(e)))]
    return [Finding("ports", True, m.PORTS_USABLE())]


def _inotify(probes: Probes) -> list[Finding]:
    base = "/proc/sys/fs/inotify"
    try:
        watches = int(probes.read(f"{base}/max_user_watches"))
        instances = int(probes.read(f"{base}/max_user_instances"))
    except (OSError, ValueError):
        return [Finding("inotify", None, m.INOTIFY_MISSING())]
    if watches < LOW_WATCHES or instances < LOW_INSTANCES:
        return [Finding("inotify", None, *m.INOTIFY_LOW.parts(watches=watches, instances=instances))]
    return [Finding("inotify", True, m.INOTIFY_LIMITS(watches=watches, instances=instances))]


def _disk(probes: Probes) -> Finding:
    try:
        free = probes.free_mb(probes.cwd)
    except OSError as e:
        return Finding("disk", False, *m.DISK_UNREADABLE.parts(path=probes.cwd, why=reason(e)))
    if not os.access(probes.cwd, os.W_OK):
        return Finding("disk", False, *m.DISK_NOT_WRITABLE.parts(free=free, path=probes.cwd))
    if free < LOW_DISK_MB:
        return Finding("disk", None, *m.DISK_LOW.parts(free=free, path=probes.cwd))
    return Finding("disk", True, m.DISK_FREE(free=free, path=probes.cwd))


# --- the cluster --------------------------------------------------------------------------------
def _master(master: str, probes: Probes, wanted: master_checks.Wanted) -> list[Finding]:
    if master.startswith(("zk://", "zoo://")):
        hosts = master.rpartition("@")[2] if "@" in master else master
        try:
            leader = probes.leader(master)
        except (OSError, ValueError) as e:
            return [Finding("master", False, *m.ZOOKEEPER_FAILED.parts(hosts=hosts, why=plain(e)))]
        return [Finding("zookeeper", True, m.ZOOKEEPER_ANSWERS(hosts=hosts, leader=leader)),
                *_master(leader, probes, wanted)]
    failures = []
    for address in master.rstrip("/").split(","):
        try:
            host, port = split_address(address)
        except ValueError as e:
            failures.append(str(e))
            continue
        try:
            version = str(probes.get_json(f"http://{address}/version").get("version", "unknown"))
        except (OSError, ValueError, AttributeError) as e:
            failures.append(f"{address}: {_why(e)}")
            continue
        found = [Finding("master", True, m.MASTER_ANSWERS(address=address, version=version))]
        return [*found, *_agents(address, probes, wanted), *_framework(address, probes, wanted),
                *_way_back(host, port, probes)]
    return [Finding("master", False, *m.MASTER_SILENT.parts(failures="; ".join(failures)))]


def _why(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return plain(inner if isinstance(inner, BaseException) else error, cure=False)


def _agents(address: str, probes: Probes, wanted: master_checks.Wanted) -> list[Finding]:
    """From /slaves, or from /state if the master does not serve /slaves to this user."""
    problems = []
    for path in ("slaves", "state"):
        try:
            headers = [wanted.headers] if wanted.headers else []
            listed = probes.get_json(f"http://{address}/{path}", *headers)["slaves"]
            return [_largest(listed), *_gpus(listed, probes)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            problems.append(f"/{path}: {_why(e)}")
    why = "; ".join(problems)
    if any("401" in problem or "403" in problem for problem in problems):
        return [Finding("agents", None, *m.AGENTS_FORBIDDEN.parts(why=why))]
    return [Finding("agents", None, m.AGENTS_HIDDEN(why=why))]


def _gpus(listed: list[Any], probes: Probes) -> list[Finding]:
    found = gpu_checks.gpus(listed, probes.get_json, _why)  # agents don't get the secret
    return [] if found is None else [Finding("gpus", found[0], *found[1])]


def _framework(address: str, probes: Probes, wanted: master_checks.Wanted) -> list[Finding]:
    """Whether the master accepts a run; registers a framework for a moment."""
    try:
        refusal = probes.subscribe(address, wanted)
    except (OSError, ValueError):
        return []  # the problem with the master is reported already
    identity = (m.AS_PRINCIPAL(role=wanted.role, principal=wanted.principal) if wanted.principal
                else m.WITHOUT_PRINCIPAL(role=wanted.role))
    if not refusal:
        return [Finding("framework", True, m.RUNS_ACCEPTED(identity=identity))]
    return [Finding("framework", False, *m.RUNS_REFUSED.parts(identity=identity, why=refusal))]


def _largest(listed: list[Any]) -> Finding:
    agents = [a for a in listed if a.get("active", True)]
    if not agents:
        return Finding("agents", False, *m.NO_AGENTS.parts())
    largest = max(agents, key=lambda a: (a["resources"].get("cpus", 0), a["resources"].get("mem", 0)))
    has = largest["resources"]
    size = m.AGENT_SIZE(cpus=has.get("cpus", 0), memory=has.get("mem", 0), disk=has.get("disk", 0))
    return Finding("agents", True, m.AGENTS_FOUND(
        count=len(agents), host=largest.get("hostname", "unknown"), size=size))


def _way_back(host: str, port: int, probes: Probes) -> list[Finding]:
    """The address that executors connect to."""
    try:
        address = probes.route_to(host, port)
        probes.bind(address)
    except OSError as e:
        return [Finding("address", False, *m.NO_ROUTE.parts(host=host, why=plain(e)))]
    if address.startswith("127.") or address == "::1":
        return [Finding("address", None, *m.LOOPBACK_ONLY.parts(address=address))]
    return [Finding("address", True, m.ADDRESS_FOUND(address=address))]
