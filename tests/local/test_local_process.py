"""`python -m mfmesos.local`: start, end, and who may talk to it."""
from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from realmesos import processes
from support import free_port, need, wait_until

from mfmesos.core.model import Resources
from mfmesos.local import Credential, LocalCluster
from mfmesos.local import processes as containers
from mfmesos.local.__main__ import parse, wanted
from mfmesos.local.access import peer_uid

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "contract"))

from rawclient import Framework


def command(*more):
    return [sys.executable, "-m", "mfmesos.local", "--cpus", "1", "--mem", "256", "--disk", "100", *more]


def run(*more):
    return subprocess.run(command(*more), capture_output=True, text=True, timeout=20)


def test_ready_and_sigterm(tmp_path):
    """It says where it is on the descriptor given, and SIGTERM ends it at once with status 0, executors and all."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        command("--ready-fd", str(writer), "--work-dir", str(tmp_path / "w")), pass_fds=[writer],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writer)
    try:
        with open(reader) as file:
            ready = json.loads(file.read())
        f = Framework(ready["master"], failover_timeout=60, checkpoint=True)
        made = f.run("stubborn", cpus=0.1)
        f.state(made, "TASK_RUNNING")
        assert processes.processes_of(tmp_path / "w")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert not processes.processes_of(tmp_path / "w")
        assert not (tmp_path / "w" / "agents").exists()
    finally:
        process.kill()
        process.wait()


def test_ends_with_its_parent(tmp_path):
    """When the parent is gone, the cluster ends by itself."""
    ready = tmp_path / "ready"
    parent = subprocess.Popen(["/bin/sh", "-c", 'exec 3>&1; "$@" --parent-pid $$ & wait', "sh",
                               *command("--ready-file", str(ready))], stdout=subprocess.DEVNULL)
    try:
        wait_until(ready.exists, 10, "the cluster")
        pid = json.loads(ready.read_text())["pid"]
        work_dir = Path(json.loads(ready.read_text())["work_dir"])
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not work_dir.exists(), 20, "the end of the cluster")
    wait_until(lambda: pid not in processes._table(), 20, "its process to end")


@pytest.mark.parametrize(("options", "message"), [
    (["--agents", "0"], "--agents must be 1 or more"),
    (["--mem", "-5"], "--mem must not be negative"),
    (["--port", "70000"], "--port must be between"),
    *((["--resources", text], "--resources: ") for text in (
        "licences", "licences:x", "licences:-1", "licences:nan", "a b:1", ":1", "x:1;x:2", "ports:3", "x:1;")),
    (["--secret-file", "/nonexistent"], "/nonexistent: cannot read the secret"),
])
def test_wrong_options(options, message):
    """One line that names the option."""
    done = run(*options)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("options", "found"), [
    ([], (1, 256, 100, 0, ())), (["--resources", "cpus:3;licences:2"], (1, 256, 100, 0, (("licences", 2.0),))),
    (["--resources", "gpus:2; b:0.5;a:1;z:0"], (1, 256, 100, 2, (("a", 1.0), ("b", 0.5))))])
def test_resources_of_an_agent(options, found):
    """By Mesos's names; an option of its own counts more."""
    assert wanted(parse(command(*options)[3:]), Resources(9, 9, 9)) == Resources(*found)


def test_port_in_use():
    """One line that names the port and the cure."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_secret_that_others_can_read(tmp_path):
    """A secret in a file that others may read is refused."""
    file = tmp_path / "secret"
    file.write_text("a:b")
    file.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        Credential.read(file)
    file.chmod(0o600)
    assert Credential.read(file) == Credential("a", "b")


def test_peer_is_known():
    """The kernel's table says who owns the other end of a connection; a connection that is not there has no owner."""
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        own, peer = listener.getsockname()[1], client.getsockname()[1]
        assert peer_uid(peer, own) == os.getuid()
        client.close()
        assert peer_uid(peer, own) is None
    assert peer_uid(free_port(), own) is None


def test_other_users_are_refused(make_embedded):
    """Another user of this machine gets 403, whatever is asked for."""
    need(os.getuid() == 0, "only root can become another user", "run the tests as root for this one")
    cluster = make_embedded(agents=1)
    script = ("import os, sys, socket; os.setuid(65534); s = socket.socket()\n"  # the socket belongs to nobody
              "s.connect(('127.0.0.1', int(sys.argv[1]))); s.sendall(b'GET /state HTTP/1.0\\r\\n\\r\\n')\n"
              "print(s.recv(100).split()[1].decode())")
    for address in (cluster.master, cluster.agents[0]):
        out = subprocess.run([sys.executable, "-c", script, address.split(":")[1]], capture_output=True, text=True,
                             timeout=20)
        assert out.stdout.strip() == "403", out.stderr


def test_in_an_event_loop(tmp_path):
    """LocalCluster serves within a program's own event loop, and leaves nothing behind."""
    async def use():
        cluster = LocalCluster(2, Resources(1, 128, 64), tmp_path / "w", secret="s3cret")
        await cluster.start()
        try:
            def talk():
                with Framework(cluster.master, credential=("mfmesos", "s3cret")) as f:
                    made = f.run("finish", cpus=0.1)
                    return f.state(made, "TASK_FINISHED")["state"]

            assert len(cluster.agents) == 2
            return await asyncio.get_running_loop().run_in_executor(None, talk)
        finally:
            await cluster.stop()

    assert asyncio.run(use()) == "TASK_FINISHED"
    assert not (tmp_path / "w" / "agents").exists()


def test_the_executor_dies_first(tmp_path, monkeypatch):
    """Of the processes of a container its executor is killed before those that it would report as failed."""
    child = "import os, time; [os.fork() for _ in range(3)]; time.sleep(60)"
    leader = subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    try:
        wait_until(lambda: len(containers.members(leader.pid, containers.table())) == 8, what="the processes")
        killed, kill = [], os.kill
        monkeypatch.setattr(os, "kill", lambda pid, number: (killed.append(pid), kill(pid, number)))
        assert containers.kill_all(leader.pid, tmp_path) == 8
        assert killed[0] == leader.pid
    finally:
        leader.kill()
        leader.wait()
