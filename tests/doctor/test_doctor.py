"""What the doctor finds, on machines that the tests describe."""
from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import need

from mfmesos.core.model import Resources
from mfmesos.doctor import checks
from mfmesos.doctor.master_checks import Wanted, subscribe
from mfmesos.launchers import binaries
from mfmesos.launchers.binaries import Makeflow
from mfmesos.local.cluster import LocalCluster
from mfmesos.settings.config import ConfigError

AGENTS = {"slaves": [
    {"hostname": "small", "active": True, "resources": {"cpus": 1, "mem": 500, "disk": 1000}},
    {"hostname": "big", "active": True, "resources": {"cpus": 8.0, "mem": 16000, "disk": 90000}},
    {"hostname": "gone", "active": False, "resources": {"cpus": 64, "mem": 16000, "disk": 90000}}]}


def healthy(tmp_path: Path, **other: Any) -> checks.Probes:
    """A machine with everything in its place."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)

    def get_json(url: str) -> Any:
        return {"http://m:5050/version": {"version": "1.11.0"}, "http://m:5050/slaves": AGENTS}[url]

    settings: dict[str, Any] = {
        "python": python, "python_version": (3, 11), "cwd": tmp_path,
        "find_makeflow": lambda environ: Path("/usr/bin/makeflow"),
        "find_factory": lambda environ: Path("/usr/bin/work_queue_factory"),
        "speaks_mesos": lambda path: True,
        "worker_needs": lambda environ: "glibc 2.34 or newer and libz.so.1",
        "probe": lambda path, environ: Makeflow(path, "8.0.0", ("local", "mesos")),
        "preload": lambda: Path("_makeflow_preload.so"), "installed": lambda name: True, "library": lambda name: "1.0",
        "bind": lambda address: None, "route_to": lambda host, port: "10.0.0.7", "get_json": get_json,
        "read": lambda path: "8192", "free_mb": lambda path: 5000.0}
    return checks.Probes(**{**settings, **other})


def by_name(probes: checks.Probes, master: str | None = "m:5050") -> dict[str, checks.Finding]:
    return {f.name: f for f in checks.run(master, probes)}


def refuse(error: Exception) -> Any:
    def raising(*args: Any) -> Any:
        raise error

    return raising


def test_a_healthy_machine(tmp_path: Path) -> None:
    """Everything is fine, and the facts are in the lines."""
    found = by_name(healthy(tmp_path))
    assert all(f.ok for f in found.values())
    assert not any(f.cure for f in found.values())
    assert "Mesos 1.11.0" in found["master"].text
    assert found["agents"].text == "2; the largest, big, has 8 cpus, 16000 MB memory, 90000 MB disk"
    assert "10.0.0.7" in found["address"].text
    assert "8.0.0, has -T mesos" in found["makeflow"].text
    assert found["work_queue_factory"].text.endswith("its workers need glibc 2.34 or newer and libz.so.1 on agents")


@pytest.mark.parametrize(("change", "name", "ok", "text", "cure"), [
    ({"find_makeflow": refuse(ConfigError("no makeflow on PATH; get it"))}, "makeflow", False, "no makeflow", ""),
    ({"probe": refuse(ConfigError("it does not start; mend it")), "find_makeflow": lambda env: Path("/no/makeflow")},
     "makeflow", False, "does not start", ""),
    ({"find_factory": refuse(ConfigError("no work_queue_factory on PATH; get it"))}, "work_queue_factory", None,
     "only mfmesos factory needs it", ""),
    ({"speaks_mesos": lambda path: False}, "work_queue_factory", None, "has no -T mesos", "mfmesos pool"),
    ({"worker_needs": lambda environ: ""}, "work_queue_factory", True, "need no libraries", ""),
    ({"probe": lambda p, e: Makeflow(p, "7.14.2", ("local",))}, "makeflow", False, "7.14.2, has no -T mesos",
     "coop-computing-tools"),
    ({"python": Path("/nowhere/python")}, "/nowhere/python", False, "missing", "python-is-python3"),
    ({"preload": lambda: None}, "preloaded library", None, "every 5 s", "gcc"),
    ({"installed": lambda name: name != "openmpi-bin"}, "Debian packages", None, "openmpi-bin",
     "apt-get install openmpi-bin"),
    ({"installed": lambda name: None}, "Debian packages", None, "no dpkg", ""),
    ({"library": lambda name: None if name == "pymesos" else "1"}, "libraries", False, "missing: pymesos",
     "make .venv"),
    ({"python_version": (3, 8)}, "python", None, "3.8", "3.9"),
    ({"read": lambda path: "8"}, "inotify", None, "only 8", "sysctl"),
    ({"read": refuse(OSError("gone"))}, "inotify", None, "polls", ""),
    ({"free_mb": lambda path: 10.0}, "disk", None, "10 MB free", "disk space"),
    ({"free_mb": refuse(OSError("gone"))}, "disk", False, "gone", "folder"),
    ({"bind": refuse(OSError("no"))}, "ports", False, "127.0.0.1", "loopback"),
    ({"bind": refuse(OSError("no"))}, "address", False, "leads to m", "--advertise"),
    ({"route_to": lambda h, p: "127.0.0.1"}, "address", None, "only agents on this machine", "network"),
    ({"get_json": refuse(OSError("refused"))}, "master", False, "m:5050: refused", "--master"),
    ({"get_json": lambda url: {"version": "1", "slaves": []}}, "agents", False, "none", "mesos-agent"),
    ({"get_json": lambda url: {"version": "1"}}, "agents", None, "does not list", ""),
    ({"get_json": lambda url: []}, "master", False, "m:5050", "--master"),
])
def test_what_is_wrong_is_named_with_its_cure(
    tmp_path: Path, change: dict[str, Any], name: str, ok: bool | None, text: str, cure: str,
) -> None:
    """One thing is wrong: its line names it and the cure."""
    finding = by_name(healthy(tmp_path, **change))[name]
    assert finding.ok is ok
    assert text in finding.text
    assert cure in finding.cure
    assert "\n" not in finding.line()


def test_a_makeflow_without_its_mpi(tmp_path: Path) -> None:
    """Debian's, where openmpi-bin is missing: no more than a note, since our library starts it all the same."""
    need(shutil.which("makeflow"), "no makeflow on PATH", "apt-get install coop-computing-tools")
    library = binaries.preload_library()
    need(library, "the preloaded library is not built", "apt-get install gcc, then make .venv")
    finding = by_name(healthy(
        tmp_path, environ={**os.environ, "OPAL_PREFIX": str(tmp_path)}, preload=lambda: library,
        find_makeflow=binaries.find_makeflow, probe=binaries.probe))["makeflow"]
    assert finding.ok is None
    assert "mfmesos makeflow can start it" in finding.text
    assert "openmpi-bin" in finding.text


def test_masters_are_tried_in_turn(tmp_path: Path) -> None:
    """The first master that answers counts; ZooKeeper and invalid addresses are reported."""
    def get_json(url: str) -> Any:
        if "//a:1/" in url:
            raise OSError("refused")
        return {"version": "1.9", "slaves": AGENTS["slaves"]}

    probes = healthy(tmp_path, get_json=get_json)
    assert by_name(probes, "a:1,m:5050/")["master"].text.startswith("m:5050 answers")
    found = by_name(healthy(tmp_path, get_json=get_json, leader=lambda master: "m:5050"), "zk://u:word@h:2181/mesos")
    assert found["master"].text.startswith("m:5050 answers")
    assert "word" not in found["zookeeper"].text
    found = by_name(healthy(tmp_path, leader=refuse(OSError("ZooKeeper does not answer"))), "zk://h:2181/mesos")
    assert found["master"].ok is False
    assert by_name(probes, "nonsense")["master"].ok is False
    assert "master" not in by_name(probes, "local")


def test_agents_out_of_the_masters_state(tmp_path: Path) -> None:
    """Where /slaves is not served, or not to us; where neither is, both reasons and the options are given."""
    def get_json(url: str, headers: Any = None) -> Any:
        if url.endswith("/slaves"):
            raise OSError("HTTP Error 403: Forbidden")
        return {"version": "1.9", "slaves": AGENTS["slaves"]}

    def refused(url: str, headers: Any = None) -> Any:
        if url.endswith("/version"):
            return {"version": "1.9"}
        raise OSError("HTTP Error 401: Unauthorized")

    assert by_name(healthy(tmp_path, get_json=get_json))["agents"].ok
    found = by_name(healthy(tmp_path, get_json=refused))["agents"]
    assert found.ok is None
    assert "/state: HTTP Error 401" in found.text
    assert "--principal" in found.cure


@pytest.mark.parametrize(("flags", "ok", "text"), [
    ({"flags": {"isolation": "filesystem/linux,cgroups/devices,gpu/nvidia"}}, True, "4 on 2 agents, kept apart"),
    ({"flags": {"isolation": "posix/cpu,posix/mem"}}, None, "4 on 2 agents; g1 does not isolate them (advisory)"),
    (OSError("HTTP Error 401: Unauthorized"), None, "g1 does not say whether it isolates them (HTTP Error 401"),
    ({}, None, "g1 does not say")])
def test_whether_agents_isolate_gpus(tmp_path: Path, flags: Any, ok: bool | None, text: str) -> None:
    """Each agent with GPUs is asked for its flags; those without are not."""
    agents = [{"hostname": f"g{n}", "pid": f"slave({n})@10.0.0.{n}:5051",
               "resources": {"cpus": 2, "mem": 1000, "disk": 1000, "gpus": 2 if n else 0}} for n in range(3)]

    def get_json(url: str) -> Any:
        if url.startswith("http://10.0.0."):
            assert "10.0.0.0" not in url
            if isinstance(flags, Exception):
                raise flags
            return flags
        return {"version": "1.11.0", "slaves": agents}

    found = by_name(healthy(tmp_path, get_json=get_json))["gpus"]
    assert found.ok is ok
    assert text in found.text
    assert "gpus" not in by_name(healthy(tmp_path))


@pytest.mark.parametrize(("principal", "secret", "refusal"), [
    ("mfmesos", "word", ""), (None, None, "401"), ("mfmesos", "wrong", "401"), ("other", "word", "401")])
def test_a_master_is_asked_as_a_run_would(tmp_path: Path, principal: str, secret: str, refusal: str) -> None:
    """Principal and secret are those of the run; no framework is left behind."""
    async def main() -> None:
        cluster = LocalCluster(1, Resources(1, 100, 100), tmp_path / "c", secret="word")
        await cluster.start()
        loop = asyncio.get_running_loop()
        wanted = Wanted(principal=principal, secret=secret)
        said = await loop.run_in_executor(None, subscribe, cluster.master, wanted)
        assert refusal in said
        assert bool(said) == bool(refusal)
        for _ in range(100):
            if not cluster.leader.frameworks:
                break
            await asyncio.sleep(0.05)
        assert not cluster.leader.frameworks
        await cluster.stop()

    asyncio.run(main())


def test_this_machine() -> None:
    """The real probes run to their end, and every line is one line."""
    found = checks.run("127.0.0.1:1")
    assert {f.name for f in found} >= {"python", "libraries", "makeflow", "ports", "inotify", "disk", "master"}
    assert all("\n" not in f.line() for f in found)
