"""The control socket: real sockets, both ends, and who is heard."""
from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from mfmesos.control import control_server, socket_place
from mfmesos.control.control_client import ControlClient, ControlError, NotAlive
from mfmesos.control.control_server import BadQuestion, ControlServer
from mfmesos.settings.config import STATE_DIR, ConfigError


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A workflow's folder; sockets lie in a short folder of this test."""
    runtime = Path("/tmp") / f"mf-{os.getpid()}-{abs(hash(str(tmp_path))) % 10**6}"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    (tmp_path / STATE_DIR).mkdir()
    yield tmp_path
    for path in sorted(runtime.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    runtime.rmdir()


def served(folder: Path, ask, answers=None, user: int | None = None):
    """What `ask`, on a thread, gets from a server with these answers."""
    async def main():
        def refuse(question):
            raise BadQuestion("not like this")

        server = ControlServer(answers or {
            "sum": lambda q: sum(q["of"]), "bad": refuse, "broken": lambda q: 1 / 0}, user)
        path = socket_place.socket_path(folder, os.environ)
        await server.start(path)
        socket_place.point(folder / STATE_DIR, path)
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, ask), 60)
        finally:
            await server.stop()
            socket_place.remove(folder / STATE_DIR, path)

    return asyncio.run(main())


def test_questions_are_answered_in_order(folder):
    """One connection, several questions; a refused, an unknown and a failing one leave it usable."""
    def ask():
        with ControlClient(folder / STATE_DIR) as client:
            found = [client.ask("sum", of=[1, 2])]
            for name in ("bad", "nothing", "broken"):
                with pytest.raises(ControlError) as error:
                    client.ask(name)
                found.append(str(error.value))
            return [*found, client.ask("sum", of=[5])]

    first, refused, unknown, failed, last = served(folder, ask)
    assert (first, last) == (3, 5)
    assert refused == "not like this"
    assert "does not know that question" in unknown
    assert "could not answer" in failed


def test_only_the_user_is_heard(folder):
    """A process of another user is cut off before its first question (root excepted, who may do anything)."""
    def ask():
        with pytest.raises(NotAlive), ControlClient(folder / STATE_DIR) as client:
            client.ask("sum", of=[1])

    if os.geteuid() == 0:  # then the peer is root: the server is made to take root for a stranger
        original = control_server.peer_user
        control_server.peer_user = lambda connection: original(connection) + 4321
        try:
            served(folder, ask, user=0)
        finally:
            control_server.peer_user = original
    else:
        served(folder, ask, user=os.geteuid() + 1)


def test_nonsense_does_not_stop_the_server(folder):
    """Lines that are no questions get an error; a line without an end closes its connection, and only that."""
    def ask():
        pointer = socket_place.find(folder / STATE_DIR)
        answers = []
        with socket.socket(socket.AF_UNIX) as rude:
            rude.settimeout(20)
            rude.connect(pointer.socket)
            lines = rude.makefile("rb")
            assert json.loads(lines.readline())["protocol"] == 1
            for line in (b"nonsense\n", b"[]\n", b'{"ask": []}\n', b"[" * 30_000 + b"\n"):
                rude.sendall(line)
                answers.append(json.loads(lines.readline()))
            try:
                rude.sendall(b"x" * (control_server.MOST_LINE * 4))
                assert lines.readline() == b""
            except OSError:
                pass  # it was closed while we wrote
        with ControlClient(folder / STATE_DIR) as client:
            return answers, client.ask("sum", of=[7])

    answers, after = served(folder, ask)
    assert all(set(one) == {"error"} for one in answers)
    assert after == 7


def test_a_dead_run_is_named(folder):
    """Without a pointer, with that of a dead scheduler, or of one on another machine: one line each."""
    with pytest.raises(NotAlive, match="no run is active"):
        ControlClient(folder / STATE_DIR)
    path = socket_place.socket_path(folder, os.environ)
    socket_place.point(folder / STATE_DIR, path)
    with pytest.raises(NotAlive, match="no run is active"):
        ControlClient(folder / STATE_DIR)
    (folder / STATE_DIR / socket_place.POINTER).write_text(
        json.dumps({"socket": str(path), "pid": 7, "host": "elsewhere"}))
    with pytest.raises(ControlError, match="the run is on elsewhere") as error:
        ControlClient(folder / STATE_DIR)
    assert not isinstance(error.value, NotAlive)


def test_the_socket_is_private_and_leaves_nothing(folder):
    """Folder 0700, socket and pointer 0600; both are gone after the run."""
    def ask():
        pointer = socket_place.find(folder / STATE_DIR)
        path = Path(pointer.socket)
        return [oct(p.stat().st_mode & 0o777) for p in (path.parent, path, folder / STATE_DIR / "control.json")], path

    modes, path = served(folder, ask)
    assert modes == ["0o700", "0o600", "0o600"]
    assert not path.exists()
    assert socket_place.find(folder / STATE_DIR) is None


def test_where_sockets_lie(tmp_path):
    """Below XDG_RUNTIME_DIR if it is private and short, otherwise below /tmp; never in a folder that others own or may
    enter, nor through a link."""
    short = tmp_path / "r"
    short.mkdir(mode=0o700)
    assert socket_place.runtime_folder({"XDG_RUNTIME_DIR": str(short)}) == short / "mfmesos"
    long = short / ("x" * 90)
    long.mkdir(mode=0o700)
    base = Path("/tmp") / f"mf-base-{os.getpid()}"
    base.mkdir()
    try:
        ours = base / f"mfmesos-{os.geteuid()}"
        for given in (str(long), "", "relative", str(tmp_path / "missing")):
            assert socket_place.runtime_folder({"XDG_RUNTIME_DIR": given}, base) == ours
        short.chmod(0o755)
        assert socket_place.runtime_folder({"XDG_RUNTIME_DIR": str(short)}, base) == ours
        ours.chmod(0o777)
        with pytest.raises(ConfigError, match="others may write"):
            socket_place.runtime_folder({}, base)
        ours.rmdir()
        ours.symlink_to(short)
        with pytest.raises(ConfigError, match="others may write"):
            socket_place.runtime_folder({}, base)
        ours.unlink()
    finally:
        base.rmdir()
    with pytest.raises(ConfigError, match="too long"):
        socket_place.runtime_folder({}, long)
