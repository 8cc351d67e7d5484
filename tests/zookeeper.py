"""A real ZooKeeper (Debian's), the leader's node as a Mesos master writes it, and a second address for a master."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from kazoo.client import KazooClient
from support import free_port, need, wait_until

JAR = Path("/usr/share/java/zookeeper.jar")
PATH = "/mesos"


def need_zookeeper() -> None:
    need(JAR.exists() and shutil.which("java"), "no ZooKeeper here",
         "apt-get install zookeeper default-jre-headless")


class ZooKeeper:
    """A server of one, on loopback; its data outlives `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        need_zookeeper()
        self.folder = folder
        folder.mkdir()
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        settings = self.folder / "zoo.cfg"
        settings.write_text(
            f"tickTime=500\nminSessionTimeout=1000\ndataDir={self.folder}/data\nclientPort={self.port}\n"
            "clientPortAddress=127.0.0.1\nadmin.enableServer=false\nmaxClientCnxns=50\n")
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx128m", "-cp", f"{JAR}", "org.apache.zookeeper.server.ZooKeeperServerMain",
                 str(settings)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        wait_until(self._up, 30, f"ZooKeeper to be up (see {self.folder}/log)")

    def _up(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Leader:
    """What the leading master has in ZooKeeper: an ephemeral node json.info_NNNNNNNNNN with a MasterInfo."""

    def __init__(self, zookeeper: ZooKeeper, address: str) -> None:
        self.client = KazooClient(hosts=zookeeper.address, timeout=2)
        self.client.start(timeout=20)
        self.client.ensure_path(PATH)
        host, port = address.rsplit(":", 1)
        self.client.create(f"{PATH}/json.info_", json.dumps({
            "address": {"hostname": "localhost", "ip": host, "port": int(port)}, "hostname": "localhost",
            "id": os.urandom(8).hex(), "ip": 16777343, "pid": f"master@{address}", "port": int(port),
            "version": "1.11.0"}).encode(), ephemeral=True, sequence=True)

    def resign(self) -> None:
        """Its session ends, and with it its node."""
        self.client.stop()
        self.client.close()


class Address:
    """Another address of `target` (HOST:PORT): all that comes is passed on, until it is closed."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self.taken = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                self.taken += 1
                try:
                    other = socket.create_connection(self._target, 10)
                except OSError:
                    one.close()
                    continue
                other.settimeout(None)
                self._open += [one, other]
                for a, b in ((one, other), (other, one)):
                    threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> int:
        """Every connection that is open breaks off; how many there were. New ones are taken."""
        ends, self._open = self._open, []
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        return len(ends) // 2

    def close(self) -> None:
        """The server is gone: connections are cut, new ones refused."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
