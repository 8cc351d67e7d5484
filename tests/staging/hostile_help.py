"""The attacker's side of test_staging_hostile.py: a server under siege, and requests as raw bytes."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from staging_help import files_tar, inline

from mfmesos.shared import wire

SECRET = b"the content of an input of the good claim"
GOODS = re.compile(r"/incoming/\d{3,4}\.1-")
"""What the good client has delivered and nobody has published yet."""
HERE = Path(__file__).resolve().parent


class Siege:
    """A server in a process of its own in `folder`, and its answers to each client."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "flow"
        self.folder.mkdir()
        (self.folder / "secret.txt").write_bytes(SECRET)
        (self.folder / "own.txt").write_bytes(b"own")
        (folder / "outside.txt").write_bytes(SECRET)
        self.outside = folder
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "hostile_server.py"), str(self.folder), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.about = json.loads(self._line())
        self.tokens, self.digests = self.about["tokens"], self.about["digests"]
        self.address = ("127.0.0.1", int(self.about["url"].rsplit(":", 1)[1]))
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def tell(self, command: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def resident_mb(self) -> tuple[float, float]:
        """Memory of the server: now, and at its most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return psutil.Process(self.process.pid).memory_info().rss / 2**20, int(peak.split()[1]) / 1024

    def tree(self) -> dict[str, bytes]:
        """Every file that there is, in the workflow's folder and around it; but for the good client's."""
        return {
            str(path.relative_to(self.outside)): path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            for path in self.outside.rglob("*")
            if path.name != "server.log" and not path.name.startswith("good-") and not GOODS.search(str(path))
        }

    # --- bad requests ----------------------------------------------------------------------------
    def send(self, raw: bytes, *allowed: int, what: str = "") -> int:
        """Send one request and note what came back. `allowed`: the only statuses it may get; 0: closed without one."""
        if 0 in allowed:
            # It may wait for more, which does not come.
            self.drop()
        status, body = self._exchange(raw, end=0 in allowed)
        self.statuses[status] += 1
        if status not in (allowed or (400, 401, 404, 405, 410, 413, 415)) or SECRET in body or b"root:" in body:
            self.wrong.append(f"{status} {body[:80]!r} for {what or raw[:200]!r}")
        return status

    def _exchange(self, raw: bytes, end: bool) -> tuple[int, bytes]:
        for _ in range(2):
            fresh = self._socket is None
            if self._socket is None:
                self._socket = socket.create_connection(self.address, timeout=5)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._socket.sendall(raw)
                if end:
                    self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it may have answered before
            try:
                head = raw.startswith(b"HEAD ")
                response = http.client.HTTPResponse(self._socket, method="HEAD" if head else "GET")
                response.begin()
                body = response.read()
            except TimeoutError:
                self.drop()
                return -1, b""
            except (http.client.HTTPException, ConnectionResetError):
                self.drop()
                if fresh:
                    return 0, b""
                continue  # the server had closed it
            if response.will_close or end:
                self.drop()
            return response.status, body
        return 0, b""

    def drop(self) -> None:
        """The next request is on a new connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def request(method: str, path: str, token: str | None = None, body: bytes | None = b"", *headers: str) -> bytes:
    """One HTTP request. `body` None: no length is announced."""
    head = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if token is not None:
        head.append(f"Authorization: Bearer {token}")
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + (body or b"")


class GoodClient:
    """An executor that keeps working in a thread: fetches its input, delivers one output after the other."""

    def __init__(self, siege: Siege, most: int = 2000) -> None:
        self.siege, self.most = siege, most
        self.done: list[str] = []
        self.slowest_s = 0.0
        self.problem = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> GoodClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(30)

    def expect(self, found: object, wanted: object) -> None:
        if found != wanted:
            raise AssertionError(f"{found!r}, not {wanted!r}, after {len(self.done)} tasks")

    def _work(self) -> None:
        import time

        connection = http.client.HTTPConnection(*self.siege.address, timeout=30)
        headers = {"Authorization": f"Bearer {self.siege.tokens['good']}"}

        def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
            began = time.monotonic()
            connection.request(method, f"/claims/good/{path}", body, headers)
            response = connection.getresponse()
            answer = response.read()
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            return response.status, answer

        try:
            for number in range(self.most):
                attempt, content = f"{100 + number}.1", b"%d" % number * 50
                tar = files_tar(**{f"good-{number}.out": content})
                self.expect(ask("GET", f"files/{self.siege.digests['good'][0]}"), (200, SECRET))
                result = wire.Result(attempt, wire.FINISHED)
                if number % 2:
                    self.expect(ask("PUT", f"attempts/{attempt}/outputs", tar), (204, b""))
                else:
                    result.tar = inline(tar)
                status, raw = ask("POST", "sync", wire.dumps(wire.SyncRequest(seq=number + 1, results=[result])))
                self.expect((status, wire.load_sync_answer(raw).acked), (200, [attempt]))
                self.done.append(attempt)
                if self._end.wait(0.01):
                    return
        except Exception as e:
            self.problem = repr(e)
        finally:
            connection.close()
