"""A scheduler's staging server and a Mesos driver for the executor's tests: both in this process, both obedient."""
from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable

import mfmesos_executor

import mfmesos
from mfmesos.shared import batches, wire
from mfmesos.staging.incoming import Unpacker
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.names import plan_outputs
from mfmesos.staging.trees import tar_stream, walk

TOKEN = "s3cret-token-of-the-claim"

class FakeStaging:
    """Speaks wire.py's protocol; requests to it are recorded, its answers are decided by the test."""

    def __init__(self, tls: tuple[str, str] | None = None) -> None:
        self.changed = threading.Condition()
        self.files: dict[str, bytes] = {}
        self.gets: list[str] = []
        self.batches: list[list[str]] = []
        self.statuses: dict[str, int] = {}
        """By digest, what a batch has instead of the file."""
        self.spoil: Callable[[bytes], bytes] = lambda body: body
        """Makes of a batch what is sent."""
        self.puts: dict[str, bytes] = {}
        self.put_sizes: dict[str, int] = {}
        self.keep_puts = True
        self.put_status = 200
        self.syncs: list[wire.SyncRequest] = []
        self.to_give: list[int] = []
        self.results: dict[str, wire.Result] = {}
        self.result_count: dict[str, int] = {}
        self.to_run: list[wire.Run] = []
        self.outputs: dict[str, list[str]] = {}
        """By attempt."""
        self.to_kill: list[str] = []
        self.to_send: list[str] = []
        self.to_drop: list[str] = []
        self.pins: list[str] | None = None
        """For the next answer."""
        self.release = self.run_ends = False
        self.acking = True
        self.refuse_with = 0
        self.swallow = 0
        """So many syncs with results get lost on their way, without anybody noticing."""
        self.swallowed = threading.Event()
        self.over = threading.Event()
        self.broken = 0
        """So many requests are dropped without an answer."""
        self.file_status = 0
        self.get_delay = threading.Event()
        self.get_delay.set()
        self.put_delay = threading.Event()
        self.put_delay.set()
        self.stuck_below = 0
        """Smaller batches do not wait for `get_delay`."""
        self.damage = 0
        """So many downloads arrive damaged."""
        self.number = 0
        self.newest = 0
        self.authorizations: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                if self.path.endswith("/files"):
                    outer.on_batch(self)
                else:
                    outer.on_sync(self)

            def do_GET(self) -> None:
                outer.on_get(self)

            def do_PUT(self) -> None:
                outer.on_put(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.over.set()
        with self.changed:
            self.release = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def die(self) -> None:
        """As a scheduler that is killed: its connections break, and nothing listens at its port."""
        self.server.shutdown()
        self.server.server_close()
        self.broken = 1 << 30
        self.kill("0.1")  # the held sync is answered; what follows it finds nobody

    def claim(self, **kw: object) -> wire.ClaimData:
        values: dict = {"memory_mb": 4000.0, "disk_mb": 20000.0, "cores": 4.0, "give_up_s": 20.0, "kill_grace_s": 2.0}
        values.update(kw)
        return wire.ClaimData(self.url, "r-1", TOKEN, **values)

    # --- what the test says ---
    def add(self, name: str, content: bytes = b"", mode: int = 0o644, shared: bool = True) -> wire.Input:
        digest = hashlib.sha256(content).hexdigest()
        self.files[digest] = content
        return wire.Input(name, digest, len(content), mode, "file", shared)

    def add_late(self, name: str, content: bytes) -> wire.Input:
        """A large file whose digest follows its content."""
        digest = hashlib.sha256(b"name of " + content).hexdigest()
        self.files[digest] = content + hashlib.sha256(content).hexdigest().encode()
        return wire.Input(name, digest, len(content), late=True)

    def add_dir(self, name: str, folder: Path, shared: bool = True) -> wire.Input:
        """As the real staging server serves it, its manifest's digest included."""
        rows = walk(str(folder))
        digest = InputIndex(folder.parent)._manifest(rows)
        self.files[digest] = b"".join(tar_stream(rows))
        return wire.Input(name, digest, sum(r.size for r in rows), 0o755, "dir", shared)

    def run(self, *runs: wire.Run) -> None:
        with self.changed:
            self.to_run.extend(runs)
            self.outputs.update((run.attempt, run.outputs) for run in runs)
            self.changed.notify_all()

    def kill(self, *attempts: str) -> None:
        with self.changed:
            self.to_kill.extend(attempts)
            self.changed.notify_all()

    def ask(self, send: Sequence[str] = (), drop: Sequence[str] = ()) -> None:
        """For copies of temporary outputs, and to drop others."""
        with self.changed:
            self.to_send.extend(send)
            self.to_drop.extend(drop)
            self.changed.notify_all()

    def give_back(self, *slices: int) -> None:
        with self.changed:
            self.to_give.extend(slices)
            self.changed.notify_all()

    def count(self, *pins: str) -> None:
        """State all temporary outputs that count."""
        with self.changed:
            self.pins = list(pins)
            self.changed.notify_all()

    def let_go(self, over: bool = False) -> None:
        with self.changed:
            self.release, self.run_ends = True, over
            self.changed.notify_all()

    def wait(self, *attempts: str, timeout: float = 30.0) -> list[wire.Result]:
        with self.changed:
            there = self.changed.wait_for(lambda: all(a in self.results for a in attempts), timeout)
            assert there, f"no result of {[a for a in attempts if a not in self.results]} after {timeout} s"
            return [self.results[a] for a in attempts]

    def running(self) -> list[str]:
        with self.changed:
            return self.syncs[-1].running if self.syncs else []

    # --- HTTP ---
    def _accept(self, handler: BaseHTTPRequestHandler) -> bool:
        self.authorizations.add(handler.headers.get("Authorization", ""))
        if self.broken > 0:
            self.broken -= 1
            handler.close_connection = True
            return False
        if self.refuse_with:
            self._answer(handler, self.refuse_with, b"this claim has ended")
            return False
        return True

    @staticmethod
    def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def on_sync(self, handler: BaseHTTPRequestHandler) -> None:
        raw = handler.rfile.read(int(handler.headers["Content-Length"]))
        if not self._accept(handler):
            return
        request = wire.load_sync_request(raw)
        if self.swallow and request.results:
            self.swallow -= 1
            self.swallowed.set()
            self.over.wait(600)
            return
        with self.changed:
            self.syncs.append(request)
            self.syncs.sort(key=lambda sync: sync.seq)   # several are under way: any may arrive first
            self.newest = max(self.newest, request.seq)
            for result in request.results:
                self.results[result.attempt] = result
                self.result_count[result.attempt] = self.result_count.get(result.attempt, 0) + 1
            self.changed.notify_all()
            acked = [r.attempt for r in request.results] if self.acking else []
            if not acked and not request.closing:
                self.changed.wait_for(lambda: self.to_run or self.to_kill or self.to_send or self.to_drop
                                      or self.to_give or self.pins is not None or self.release
                                      or self.newest > request.seq, 600.0)
            answer = wire.SyncAnswer(superseded=True)
            if self.newest == request.seq:
                self.number += 1
                answer = wire.SyncAnswer(self.number, acked, self.to_run, self.to_kill, self.release,
                                         send=self.to_send, drop=self.to_drop, pins=self.pins,
                                         give_back=self.to_give, over=self.run_ends)
                self.to_run, self.to_kill, self.to_send, self.to_drop = [], [], [], []
                self.pins, self.to_give = None, []
        self._answer(handler, 200, wire.dumps(answer))

    def on_get(self, handler: BaseHTTPRequestHandler) -> None:
        digest = handler.path.rsplit("/", 1)[1]
        if "?place" in handler.path:
            self._answer(handler, 404, b"not an input")
            return
        self.gets.append(digest)
        if not self._accept(handler):
            return
        self.get_delay.wait(60)
        if self.file_status:
            self._answer(handler, self.file_status, b"no such file\n")
            return
        content = self.files[digest]
        if self.damage > 0:
            self.damage -= 1
            content = bytes(len(content))
        self._answer(handler, 200, content)

    def on_batch(self, handler: BaseHTTPRequestHandler) -> None:
        digests = batches.asked(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.gets += digests
        self.batches.append(digests)
        if not self._accept(handler):
            return
        if sum(len(self.files[digest]) for digest in digests) >= self.stuck_below:
            self.get_delay.wait(60)
        body = b""
        for digest in digests:
            status = self.statuses.get(digest, self.file_status or 200)
            content = self.files[digest] if status == 200 else b"no such file"
            if self.damage > 0:
                self.damage -= 1
                content = bytes(len(content))
            body += batches.head(status, len(content)) + content
        self._answer(handler, 200, self.spoil(body))

    def on_put(self, handler: BaseHTTPRequestHandler) -> None:
        if not self._accept(handler):
            return
        left = int(handler.headers["Content-Length"])
        attempt = handler.path.split("/")[-1 if "/temporary/" in handler.path else -2]
        self.put_sizes[attempt] = left
        self.put_delay.wait(60)
        parts, buffer = [], bytearray(1 << 20)
        while left:
            count = handler.rfile.readinto(memoryview(buffer)[:min(left, len(buffer))])
            if not count:
                return
            left -= count
            if self.keep_puts:
                parts.append(bytes(buffer[:count]))
        self.puts[attempt] = b"".join(parts)
        answer = b"out of my sight" if self.put_status >= 300 else b""
        if "digests=1" in handler.path and not answer:
            answer = json.dumps(self._digests(attempt)).encode()
        self._answer(handler, self.put_status, answer)

    def _digests(self, attempt: str) -> dict[str, str]:
        """As the real staging server computes them."""
        with tempfile.TemporaryDirectory() as folder:
            plan = plan_outputs(Path(folder), self.outputs[attempt])
            unpacker = Unpacker(f"{folder}/{attempt}-1", plan, hashing=True)
            unpacker.feed(self.puts[attempt])
            return unpacker.finish().digests()


class Running:
    """An executor that serves a claim, in a process of its own, with a driver that the test scripts."""

    def __init__(self, folder: Path, staging: FakeStaging, environ: dict[str, str] | None = None,
                 grace_s: float = 5.0, python: str = sys.executable, launch: bool = True, **claim: object) -> None:
        self.folder = folder
        self.staging = staging
        self.updates: list[list] = []
        self.log = folder.parent / f"{folder.name}.stderr"
        # As it is called when it is installed, for Pythons that have nothing of ours.
        path = folder.parent / "path"
        path.mkdir(exist_ok=True)
        for name, module in (("mfmesos", mfmesos), ("mfmesos_executor", mfmesos_executor)):
            with contextlib.suppress(FileExistsError):
                (path / name).symlink_to(Path(module.__file__).parent)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [python, str(Path(__file__).with_name("executor_process.py")), str(folder), str(grace_s)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, "PYTHONPATH": str(path), **(environ or {})})
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()
        self.data = json.dumps(vars(staging.claim(**claim)))
        if launch:
            self.say("launch", "r-1", self.data)

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.updates.append(json.loads(line))

    def say(self, *command: object) -> None:
        """launch(task, data), kill(task, grace_s), shutdown(), lost(reason), disconnected(), connected()."""
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def end(self, timeout: float = 20.0) -> tuple[str, str]:
        """The last state and its message, once the executor has ended by itself."""
        assert self.process.wait(timeout) == 0
        self.thread.join(5)
        states = [u for u in self.updates if u[0] != "usage"]
        return (states[-1][1], states[-1][2]) if states else ("", "")

    def close(self) -> None:
        """It ends when its stdin does."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            self.thread.join(5)
            self.process.stdout.close()

    def left(self) -> list[str]:
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*"))

    def states(self) -> list[str]:
        return [u[1] for u in self.updates if u[0] != "usage"]


def run(attempt: str, command: str, inputs: list[wire.Input] | None = None, outputs: list[str] | None = None,
        workdir: str = "/home/user/project", **kw: object) -> wire.Run:
    values: dict = {"cores": 1.0, "memory_mb": 500.0, "disk_mb": 500.0}
    values.update(kw)
    return wire.Run(attempt, command, inputs or [], outputs or [], workdir, **values)


def contents(result: wire.Result, staging: FakeStaging | None = None) -> dict[str, bytes]:
    """The files of a result's outputs by name; folders as None would be, with a slash."""
    raw = result.tar_bytes()
    if raw is None and staging is not None:
        raw = staging.puts[result.attempt]
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(raw or bytes(1024))) as tar:
        for member in tar:
            data = tar.extractfile(member)
            found[member.name if data else member.name + "/"] = data.read() if data else b""
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] in "ZX"
    except OSError:
        return True


def number_in(path: Path, timeout: float = 20.0) -> int:
    """A number that a task writes to a file, once the file exists."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            threading.Event().wait(0.02)
    raise AssertionError(f"nothing came in {path}")


def left_of_tasks(folder: Path) -> list[Path]:
    """What lies in sandboxes beyond the empty skeletons that the next attempt gets."""
    (tasks,) = folder.glob(".mfmesos/*/tasks")
    return [p for p in tasks.rglob("*") if len(p.relative_to(tasks).parts) > 2 or (p.is_file() and p.stat().st_size)]
