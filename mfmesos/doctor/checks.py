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
from mfmesos.doctor import master_checks
from mfmesos.launchers import binaries
from mfmesos.settings.config import ConfigError
from mfmesos.shared.plainerrors import plain, reason

TIMEOUT_S = 5.0
PACKAGES = {
    "coop-computing-tools": "makeflow and work_queue_factory with -T mesos",
    "openmpi-bin": "Debian's makeflow starts without it under mfmesos makeflow only",
    "python-is-python3": "/usr/bin/python, which makeflow runs its schedulers with",
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
    known = (3, 9) <= probes.python_version <= (3, 13)
    found = [Finding("python", True if known else None, f"{version} ({sys.executable})",
                     "" if known else "tested are 3.9 to 3.13")]
    versions = {name: probes.library(name) for name in LIBRARIES}
    missing = [name for name, value in versions.items() if value is None]
    there = ", ".join(f"{name} {value}" for name, value in versions.items() if value is not None)
    if missing:
        found.append(Finding("libraries", False, f"without {', '.join(missing)}", "make .venv, or pip install mfmesos"))
    else:
        found.append(Finding("libraries", True, there))
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
            return [Finding("makeflow", None, f"plain makeflow will not do, mfmesos makeflow may: {e}")]
        return [Finding("makeflow", False, str(e))]
    if makeflow.has_mesos:
        return [Finding("makeflow", True, f"{path}, version {makeflow.version}, has -T mesos")]
    return [Finding("makeflow", False, f"{path}, version {makeflow.version}, has no -T mesos (none from 7.13 on)",
                    binaries.CURE_MAKEFLOW)]


def _factory(probes: Probes) -> Finding:
    """Only `mfmesos factory` needs it, so a failure here is no error."""
    try:
        path, needs = probes.find_factory(probes.environ), probes.worker_needs(probes.environ)
    except (ConfigError, OSError) as e:
        return Finding(binaries.FACTORY, None, f"{plain(e)}; only `mfmesos factory` needs it")
    wanted = f"its workers need {needs} on agents" if needs else "its workers need no libraries on agents"
    return Finding(binaries.FACTORY, True, f"{path}; {wanted}")


def _system_python(probes: Probes) -> Finding:
    try:
        binaries.require_python(probes.python)
    except ConfigError:
        return Finding(str(probes.python), False, "missing; makeflow runs every Mesos scheduler with it",
                       binaries.CURE_PYTHON)
    return Finding(str(probes.python), True, "there, as makeflow wants it")


def _preload(probes: Probes) -> Finding:
    library = probes.preload()
    if library is None:
        return Finding("preloaded library", None, "not built: makeflow sees results only every 5 s",
                       "install gcc, then mfmesos again")
    return Finding("preloaded library", True, f"{library.name}: makeflow sees results at once")


def _packages(probes: Probes) -> list[Finding]:
    states = {name: probes.installed(name) for name in PACKAGES}
    if None in states.values():
        return [Finding("Debian packages", None, "no dpkg on this machine: not looked at")]
    missing = [name for name, there in states.items() if not there]
    if not missing:
        return [Finding("Debian packages", True, ", ".join(states))]
    why = "; ".join(f"{name} ({PACKAGES[name]})" for name in missing)
    return [Finding("Debian packages", None, f"not installed: {why}", f"as root: apt-get install {' '.join(missing)}")]


def _ports(probes: Probes) -> list[Finding]:
    try:
        probes.bind("127.0.0.1")
    except OSError as e:
        return [Finding("ports", False, f"cannot listen on 127.0.0.1: {plain(e)}", "bring up the loopback interface")]
    return [Finding("ports", True, "can listen on 127.0.0.1")]


def _inotify(probes: Probes) -> list[Finding]:
    base = "/proc/sys/fs/inotify"
    try:
        watches = int(probes.read(f"{base}/max_user_watches"))
        instances = int(probes.read(f"{base}/max_user_instances"))
    except (OSError, ValueError):
        return [Finding("inotify", None, "not there: changes of files are polled for")]
    text = f"{watches} watches, {instances} instances for each user"
    if watches < LOW_WATCHES or instances < LOW_INSTANCES:
        return [Finding("inotify", None, f"{text}: few", "as root: sysctl fs.inotify.max_user_instances=128 "
                        "fs.inotify.max_user_watches=8192")]
    return [Finding("inotify", True, text)]


def _disk(probes: Probes) -> Finding:
    try:
        free = probes.free_mb(probes.cwd)
    except OSError as e:
        return Finding("disk", False, f"{probes.cwd}: {reason(e)}", "go to a folder that is there")
    text = f"{free:.0f} MB free in {probes.cwd}"
    if not os.access(probes.cwd, os.W_OK):
        return Finding("disk", False, f"{text}, which is not yours to write to", "work in a folder of your own")
    if free < LOW_DISK_MB:
        return Finding("disk", None, text, "make room: outputs of tasks land here")
    return Finding("disk", True, text)


# --- the cluster --------------------------------------------------------------------------------
def _master(master: str, probes: Probes, wanted: master_checks.Wanted) -> list[Finding]:
    if master.startswith(("zk://", "zoo://")):
        hosts = master.rpartition("@")[2] if "@" in master else master
        try:
            leader = probes.leader(master)
        except (OSError, ValueError) as e:
            return [Finding("master", False, f"{hosts}: {plain(e)}", "start it, or correct --master zk://...")]
        return [Finding("zookeeper", True, f"{hosts}: the leading master is {leader}"),
                *_master(leader, probes, wanted)]
    failures = []
    for address in master.rstrip("/").split(","):
        try:
            host, port = _split(address)
            version = str(probes.get_json(f"http://{address}/version").get("version", "unknown"))
        except (OSError, ValueError, AttributeError) as e:
            failures.append(f"{address}: {_why(e)}")
            continue
        found = [Finding("master", True, f"{address} answers, Mesos {version}")]
        return [*found, _agents(address, probes, wanted), *_framework(address, probes, wanted),
                *_way_back(host, port, probes)]
    return [Finding("master", False, "; ".join(failures), "start it, or correct --master HOST:PORT")]


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("not HOST:PORT")
    return host.strip("[]"), int(port)


def _why(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    return plain(inner if isinstance(inner, BaseException) else error, cure=False)


def _agents(address: str, probes: Probes, wanted: master_checks.Wanted) -> Finding:
    """From /slaves, or from /state if the master does not serve /slaves to this user."""
    problems = []
    for path in ("slaves", "state"):
        try:
            headers = [wanted.headers] if wanted.headers else []
            return _largest(probes.get_json(f"http://{address}/{path}", *headers)["slaves"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            problems.append(f"/{path}: {_why(e)}")
    cure = ""
    if any("401" in problem or "403" in problem for problem in problems):
        cure = "for those who may see them: --principal NAME --secret-file FILE"
    return Finding("agents", None, f"the master did not list them ({'; '.join(problems)})", cure)


def _framework(address: str, probes: Probes, wanted: master_checks.Wanted) -> list[Finding]:
    """Whether the master accepts a run; registers a framework for a moment."""
    try:
        refusal = probes.subscribe(address, wanted)
    except (OSError, ValueError):
        return []  # the problem with the master is reported already
    text = f"role {wanted.role}" + (f", principal {wanted.principal}" if wanted.principal else ", no principal")
    if not refusal:
        return [Finding("framework", True, f"the master takes runs ({text})")]
    return [Finding("framework", False, f"the master refuses runs ({text}): {refusal}",
                    "correct --principal, --secret-file or --role")]


def _largest(listed: list[Any]) -> Finding:
    agents = [a for a in listed if a.get("active", True)]
    if not agents:
        return Finding("agents", False, "none registered", "start mesos-agent, with --master of this one")
    largest = max(agents, key=lambda a: (a["resources"].get("cpus", 0), a["resources"].get("mem", 0)))
    has = largest["resources"]
    size = f"{has.get('cpus', 0):g} cpus, {has.get('mem', 0):.0f} MB memory, {has.get('disk', 0):.0f} MB disk"
    return Finding("agents", True, f"{len(agents)}; the largest, {largest.get('hostname', 'unknown')}, has {size}")


def _way_back(host: str, port: int, probes: Probes) -> list[Finding]:
    """The address that executors connect to."""
    try:
        address = probes.route_to(host, port)
        probes.bind(address)
    except OSError as e:
        return [Finding("address", False, f"no address of this machine leads to {host}: {plain(e)}",
                        "name one with --listen and --advertise")]
    if address.startswith("127.") or address == "::1":
        return [Finding("address", None, f"{address}: only agents on this machine can reach it",
                        "for others give the master's address on the network")]
    return [Finding("address", True, f"{address}: agents must be able to connect to it (any port; else --advertise)")]
