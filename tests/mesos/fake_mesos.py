"""A scripted master or agent: each SUBSCRIBE runs the next script, every other call is recorded and answered."""
from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any, Callable

from support import wait_until


class Subscription:
    """One SUBSCRIBE connection, in the hands of a script."""

    def __init__(self, sock: socket.socket, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.sock, self.headers, self.body = sock, headers, body
        self._open = False

    def answer(self, status: int, headers: str = "", body: str = "") -> None:
        text = body.encode()
        self.raw(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n{headers}\r\n".encode() + text)

    def begin(self) -> None:
        self._open = True
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: s-1\r\n"
                 b"Content-Type: application/json\r\n\r\n")

    def send(self, event: dict[str, Any]) -> None:
        if not self._open:
            self.begin()
        data = json.dumps(event).encode()
        record = b"%d\n%s" % (len(data), data)
        self.raw(b"%x\r\n%s\r\n" % (len(record), record))

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def subscribed(self, heartbeat_s: float = 15.0, framework_id: str = "F-1") -> None:
        self.send({"type": "SUBSCRIBED", "subscribed": {
            "framework_id": {"value": framework_id}, "heartbeat_interval_seconds": heartbeat_s,
            "executor_info": {"executor_id": {"value": "c-1"}},
            "framework_info": {"id": {"value": framework_id}}, "agent_info": {}}})

    def hold(self) -> None:
        """Until the peer closes."""
        try:
            while self.sock.recv(4096):
                pass
        except OSError:
            pass


Script = Callable[[Subscription], None]


class FakeMesos:
    """Listens on loopback. `scripts`: the last one serves all further SUBSCRIBEs."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts) or [lambda s: (s.subscribed(), s.hold())]
        self.subscriptions: list[Subscription] = []
        self.times: list[float] = []
        self.calls: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.pages: dict[str, bytes] = {"/version": b'{"version": "1.11.0"}'}
        self.answer: Callable[[dict[str, Any]], tuple[int, str] | None] = lambda call: (202, "")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._socks: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The calls of this type so far."""
        return [body for body, _ in list(self.calls) if body.get("type") == kind]

    def await_call(self, kind: str, count: int = 1, timeout: float = 10.0) -> dict[str, Any]:
        return wait_until(lambda: self.of(kind)[count - 1:], timeout, f"{count} {kind}")[0]

    def await_subscriptions(self, count: int, timeout: float = 10.0) -> Subscription:
        return wait_until(lambda: self.subscriptions[count - 1:], timeout, f"{count} SUBSCRIBE")[0]

    def close(self) -> None:
        # close() alone does not wake a thread in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._socks:
                sock.close()

    def __enter__(self) -> FakeMesos:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._socks.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as reader:
                while self._one(sock, reader):
                    pass
        except (OSError, ValueError):
            pass

    def _one(self, sock: socket.socket, reader: Any) -> bool:
        line = reader.readline().decode()
        if not line:
            return False
        headers = {}
        while (field := reader.readline().decode().strip()):
            name, _, value = field.partition(":")
            headers[name.title()] = value.strip()
        text = reader.read(int(headers.get("Content-Length", 0)))
        if line.startswith("GET"):
            page = self.pages.get(line.split()[1])
            self._reply(sock, 200 if page is not None else 404, page or b"")
            return True
        body = json.loads(text)
        if body["type"] == "SUBSCRIBE":
            with self._lock:
                script = self.scripts[min(len(self.subscriptions), len(self.scripts) - 1)]
                subscription = Subscription(sock, headers, body)
                self.subscriptions.append(subscription)
                self.times.append(time.monotonic())
            script(subscription)
            return False
        self.calls.append((body, headers))
        answer = self.answer(body)
        if answer is None:
            return False
        self._reply(sock, answer[0], answer[1].encode())
        return True

    def _reply(self, sock: socket.socket, status: int, body: bytes) -> None:
        sock.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


def offer(n: int = 1, agent: str = "A-1", **more: Any) -> dict[str, Any]:
    """An offer as Mesos writes it: 4 cpus, 4096 MB, 10000 MB disk."""
    return {"id": {"value": f"O-{n}"}, "agent_id": {"value": agent}, "hostname": "node1",
            "framework_id": {"value": "F-1"},
            "resources": [scalar("cpus", 4), scalar("mem", 4096), scalar("disk", 10000),
                          {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}}], **more}


def scalar(name: str, value: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*", **more}


def offers(*of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "OFFERS", "offers": {"offers": list(of)}}
