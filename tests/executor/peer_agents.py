"""A staging server in a thread, agents that fetch inputs from it and from each other, and a link with a valve."""
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable

from mfmesos_executor.cache import Cache
from mfmesos_executor.client import Client
from mfmesos_executor.fetching import Scheduler
from mfmesos_executor.peers import Peers
from mfmesos_executor.placing import Placer
from mfmesos_executor.shared import Links
from mfmesos_executor.siblings import Siblings

from mfmesos.core.model import Task
from mfmesos.shared.wire import ClaimData, Input, SyncAnswer, SyncRequest
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.server import StagingServer

PROCESS = Path(__file__).with_name("peer_process.py")


class Site:
    """A workflow's folder with its staging server, in a loop of its own."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", tls: bool | None = False, peers: bool = True) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.index = InputIndex(folder)
        self.server = StagingServer(folder, self._on_sync, inputs=self.index, tls=tls, peer_transfers=peers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._attempts = 0
        self._within(self.server.start(host))

    async def _on_sync(self, _: str, request: SyncRequest) -> SyncAnswer:
        return SyncAnswer(number=request.seq)

    def _within(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def call(self, function: Callable[[], Any]) -> Any:
        """On the loop's thread."""
        async def within() -> Any:
            return function()
        return self._within(within())

    def claim(self, name: str, *inputs: str, url: str = "") -> tuple[ClaimData, list[Input]]:
        """An open claim that may fetch these inputs."""
        staged = self.index.stage(Task(1, "x", inputs))
        token = self.call(lambda: self.server.open_claim(name))
        secret, pem = self.call(lambda: self.server.peer_keys(name))
        self._attempts += 1
        attempt = f"{self._attempts}.1"
        self.call(lambda: self.server.permit(name, attempt, staged, ()))
        data = ClaimData(url or self.server.url, name, token, self.server.fingerprint, disk_mb=10_000.0, give_up_s=20.0,
                         peer_secret=secret, peer_pem=pem)
        return data, [Input(s.name, s.digest, s.size, s.mode, s.kind) for s in staged]

    def end_claim(self, name: str) -> None:
        self.call(lambda: self.server.close_claim(name))

    @property
    def sent(self) -> int:
        """Bytes of inputs that left the scheduler."""
        return self.server._transfer.sent_bytes

    @property
    def tracker(self) -> Any:
        assert self.server._peers is not None
        return self.server._peers.tracker

    def stop(self) -> None:
        self._within(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Agent:
    """What an executor has for inputs, in this process."""

    def __init__(self, data: ClaimData, folder: Path) -> None:
        self.data = data
        self.folder = folder
        for name in ("cache", "placed"):
            os.makedirs(folder / name, exist_ok=True)
        client = Client(data)
        self.peers = Peers(client, data, str(folder))
        self.cache = Cache(str(folder / "cache"), (self.peers, Scheduler(client)), None,
                           Placer(Links(str(folder / "cache"))), Siblings(str(folder)))
        self.peers.serve_from(self.cache)
        self.cancelled = False
        self._threads = ThreadPoolExecutor(2)

    def fetch(self, item: Input) -> Path:
        target = self.folder / "placed" / item.name
        self.cache.place(item, str(target), lambda: self.cancelled)
        return target

    def start(self, item: Input) -> Future[Path]:
        return self._threads.submit(self.fetch, item)

    @property
    def have(self) -> int:
        """Of what is arriving now."""
        return sum(arriving.have for arriving in list(self.peers._arriving.values()))

    @property
    def cached(self) -> Path:
        """The one file in its cache."""
        (found,) = (self.folder / "cache").iterdir()
        return found

    @property
    def address(self) -> tuple[str, int]:
        """Where it serves."""
        host, _, port = self.peers.serving()[0].rpartition(":")
        return host, int(port)

    def close(self) -> None:
        self.cancelled = True
        self.peers.close()
        self._threads.shutdown()


class AgentProcess:
    """The same in a process of its own."""

    def __init__(self, data: ClaimData, item: Input, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(PROCESS), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say(json.dumps([asdict(data), asdict(item)]))

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the agent's process has ended"
        return json.loads(line)

    def go(self) -> None:
        """Fetch now; `hear` gives the outcome."""
        self._say("go")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        finally:
            self.kill()
            self.process.stdout.close()


class Valve:
    """A way to an address that lets through so many bytes from there, and more when it is opened."""

    def __init__(self, url: str, let: int) -> None:
        self._to = url.rpartition("/")[2].rpartition(":")
        self._let = let
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def open(self, let: int = 1 << 60) -> None:
        with self._changed:
            self._let += let
            self._changed.notify_all()

    def close(self) -> None:
        self.open()
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection((self._to[0], int(self._to[2])))
                self._sockets += [here, there]
                threading.Thread(target=self._pump, args=(here, there, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(there, here, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, limited: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                if limited:
                    with self._changed:
                        self._changed.wait_for(lambda: self._let > 0, 60)
                        self._let -= len(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


