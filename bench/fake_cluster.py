"""A stub of a Mesos master with many agents, and their executors, in one process: for bench/executors.py.

    python bench/fake_cluster.py AGENTS CORES TASK_SECONDS STATS_FILE

The executors run nothing: an attempt ends after about TASK_SECONDS. All else is real: each has its own connections and
TLS, what it sends and when is decided by the executor's own SyncState, and messages are those of mfmesos.shared.wire.
"""
from __future__ import annotations

import base64
import contextlib
import heapq
import json
import os
import random
import re
import select
import socket
import ssl
import sys
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "executor")]

from mfmesos_executor.sync_state import SyncState  # noqa: E402

from mfmesos.shared import wire  # noqa: E402

LANES = 2
MEMORY_MB, DISK_MB = 16_384.0, 100_000.0
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
USAGE = {"memory_mb": 40.0, "disk_mb": 1.0, "cores": 1.0}


class Master:
    """As much of the scheduler API as a scheduler needs to open claims, on threads."""

    def __init__(self, agents: int, cores: int, launch: Any) -> None:
        self._agents, self._cores, self._launch = agents, cores, launch
        self._lock = threading.Lock()
        self._stream: Any = None
        self._taken: set[str] = set()
        self._offered: dict[str, str] = {}
        self._number = 0
        master = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                pages = {"/slaves": master.slaves(), "/state-summary": {"frameworks": []},
                         "/version": {"version": "1.11.0"}}
                self.answer(200, json.dumps(pages.get(self.path.partition("?")[0], {})).encode())

            def do_POST(self) -> None:
                call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if call["type"] == "SUBSCRIBE":
                    master.subscribe(self)
                else:
                    master.called(call)
                    self.answer(202, b"")

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _resources(self) -> dict[str, float]:
        return {"cpus": float(self._cores), "mem": MEMORY_MB, "disk": DISK_MB}

    def slaves(self) -> dict[str, Any]:
        return {"slaves": [{"id": f"S{n}", "hostname": f"host{n}", "active": True, "resources": self._resources(),
                            "unreserved_resources": self._resources()} for n in range(self._agents)]}

    def subscribe(self, handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Mesos-Stream-Id", "s-1")
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        self._stream = handler.wfile
        self.send({"type": "SUBSCRIBED", "subscribed": {
            "framework_id": {"value": "F-1"}, "heartbeat_interval_seconds": 15.0}})
        self.offer()
        with contextlib.suppress(OSError):
            while True:
                time.sleep(10.0)
                self.send({"type": "HEARTBEAT"})

    def send(self, event: dict[str, Any]) -> None:
        data = json.dumps(event).encode()
        record = b"%d\n%s" % (len(data), data)
        with self._lock, contextlib.suppress(OSError):
            self._stream.write(b"%x\r\n%s\r\n" % (len(record), record))
            self._stream.flush()

    def offer(self) -> None:
        """Every agent that is free."""
        offers = []
        free = {f"S{n}" for n in range(self._agents)} - self._taken - set(self._offered.values())
        for agent in sorted(free):
            self._number += 1
            self._offered[f"O{self._number}"] = agent
            offers.append({
                "id": {"value": f"O{self._number}"}, "agent_id": {"value": agent}, "hostname": f"host{agent[1:]}",
                "framework_id": {"value": "F-1"}, "resources": [
                    {"name": name, "type": "SCALAR", "scalar": {"value": value}, "role": "*"}
                    for name, value in self._resources().items()]})
        if offers:
            self.send({"type": "OFFERS", "offers": {"offers": offers}})

    def called(self, call: dict[str, Any]) -> None:
        if call["type"] == "ACCEPT":
            for offer in call["accept"]["offer_ids"]:
                self._taken.add(self._offered.pop(offer["value"]))
            for operation in call["accept"]["operations"]:
                for task in operation["launch"]["task_infos"]:
                    self._launch(wire.load_claim_data(base64.b64decode(task["data"])), task["agent_id"]["value"])
        elif call["type"] == "DECLINE":
            for offer in call["decline"]["offer_ids"]:
                self._offered.pop(offer["value"], None)
        elif call["type"] == "REVIVE":
            threading.Timer(1.0, self.offer).start()

    def ended(self, claim: str, agent: str) -> None:
        self._taken.discard(agent)
        self.send({"type": "UPDATE", "update": {"status": {
            "task_id": {"value": claim}, "agent_id": {"value": agent}, "state": "TASK_FINISHED"}}})


class Lane:
    """One connection of an executor."""

    def __init__(self, executor: Executor, context: ssl.SSLContext) -> None:
        self.executor, self.seq, self._rest = executor, 0, b""
        plain = socket.create_connection(executor.address, timeout=30.0)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(plain) if executor.tls else plain
        self.sock.settimeout(30.0)

    def send(self, request: wire.SyncRequest) -> None:
        self.seq = request.seq
        body = wire.dumps(request)
        self.sock.sendall(self.executor.head + b"%d\r\n\r\n%s" % (len(body), body))

    def answer(self) -> wire.SyncAnswer | None:
        """None: not all of it has arrived. Raises ConnectionError at the end of the connection."""
        self.sock.setblocking(False)
        try:
            while True:
                data = self.sock.recv(1 << 16)
                if not data:
                    raise ConnectionError("closed")
                self._rest += data
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            self.sock.settimeout(30.0)
        head, found, body = self._rest.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(LENGTH.search(head)[1])  # type: ignore[index]
        if len(body) < length:
            return None
        self._rest = body[length:]
        if b" 200 " not in head[:20]:
            raise ConnectionError(head[:60])
        return wire.load_sync_answer(body[:length])


class Executor:
    def __init__(self, data: wire.ClaimData, agent: str, now: float) -> None:
        self.claim, self.agent, self.cores = data.claim, agent, data.cores
        self.tls = data.url.startswith("https:")
        host, _, port = data.url.partition("//")[2].rpartition(":")
        self.address = host, int(port)
        self.head = (f"POST /claims/{data.claim}/sync HTTP/1.1\r\nHost: {host}:{port}\r\n"
                     f"Authorization: Bearer {data.token}\r\nContent-Type: application/json\r\n"
                     "Content-Length: ").encode()
        self.state = SyncState(data.give_up_s, data.deserted_s, now, lambda: random.uniform(0.5, 1.0))
        self.lanes: list[Lane] = []
        self.running: dict[str, float] = {}
        self.waiting: deque[str] = deque()

    def free_lane(self) -> Lane | None:
        return next((lane for lane in self.lanes if not lane.seq), None)

    def attempts(self) -> list[str]:
        return [*self.running, *self.waiting, *self.state.results]

    def due_at(self) -> float:
        free = len(self.lanes) < LANES or self.free_lane() is not None
        return self.state.due_at(free, len(self.attempts()), len(self.waiting))


class Executors:
    """All of them, on one thread."""

    def __init__(self, task_s: float, stats: Path) -> None:
        self.master: Master
        self._task_s, self._stats = task_s, stats
        self._epoll = select.epoll()
        self._lanes: dict[int, Lane] = {}
        self._due: list[tuple[float, int, Executor, str]] = []
        """(when, a number, whose, the attempt that ends or empty for a sync)."""
        self._number = 0
        self._new: deque[Executor] = deque()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self.count = self.ended = self.acknowledged = self.syncs = 0

    def launch(self, data: wire.ClaimData, agent: str) -> None:
        """From the master's threads."""
        self._new.append(Executor(data, agent, time.monotonic()))

    def _at(self, when: float, executor: Executor, attempt: str = "") -> None:
        self._number += 1
        heapq.heappush(self._due, (when, self._number, executor, attempt))

    def run(self) -> None:
        noted_at = 0.0
        while True:
            now = time.monotonic()
            if now - noted_at >= 0.5:
                noted_at = now
                self._note(now)
            while self._new:
                self.count += 1
                self._at(now, self._new.popleft())
            while self._due and self._due[0][0] <= now:
                _, _, executor, attempt = heapq.heappop(self._due)
                if attempt:
                    self._end(executor, attempt, now)
                elif executor.due_at() <= now:
                    self._sync(executor, now)
            wait = min(max(self._due[0][0] - time.monotonic(), 0.0), 0.1) if self._due else 0.1
            for fd, _ in self._epoll.poll(wait):
                self._receive(self._lanes[fd])

    def _end(self, executor: Executor, attempt: str, now: float) -> None:
        if executor.running.pop(attempt, None) is None:
            return
        self.ended += 1
        executor.state.ended(wire.Result(attempt, wire.FINISHED, exit_code=0, usage=wire.Usage(
            **USAGE, wall_s=self._task_s, cpu_s=self._task_s)))
        self._start(executor, now)
        self._at(executor.due_at(), executor)

    def _start(self, executor: Executor, now: float) -> None:
        while executor.waiting and len(executor.running) < executor.cores:
            attempt = executor.waiting.popleft()
            executor.running[attempt] = now
            self._at(now + self._task_s * random.uniform(0.5, 1.5), executor, attempt)

    def _sync(self, executor: Executor, now: float) -> None:
        if executor.state.close is not None:
            return
        lane = executor.free_lane()
        try:
            if lane is None:
                lane = Lane(executor, self._context)
                executor.lanes.append(lane)
                self._lanes[lane.sock.fileno()] = lane
                self._epoll.register(lane.sock.fileno(), select.EPOLLIN)
            request = executor.state.next_sync(executor.attempts(), now)
            request.memory_mb = 30.0
            self.syncs += 1
            lane.send(request)
        except OSError:
            if lane is not None:
                self._lost(lane, now)
            self._at(now + 0.5, executor)
            return
        self._at(executor.due_at(), executor)

    def _lost(self, lane: Lane, now: float) -> None:
        executor = lane.executor
        if lane in executor.lanes:
            executor.lanes.remove(lane)
            self._epoll.unregister(lane.sock.fileno())
            del self._lanes[lane.sock.fileno()]
        lane.sock.close()
        if lane.seq:
            executor.state.lost(lane.seq, now, nobody=False)
        self._at(executor.due_at(), executor)

    def _receive(self, lane: Lane) -> None:
        now, executor = time.monotonic(), lane.executor
        try:
            answer = lane.answer()
        except (OSError, ssl.SSLError):
            self._lost(lane, now)
            return
        if answer is None:
            return
        seq, lane.seq = lane.seq, 0
        orders = executor.state.answered(seq, answer, now)
        self.acknowledged += len(orders.forget)
        executor.waiting.extend(run.attempt for run in orders.run)
        for attempt in orders.kill:
            if executor.running.pop(attempt, None) is not None or attempt in executor.waiting:
                executor.state.ended(wire.Result(attempt, wire.KILLED, "killed"))
        if orders.kill:
            executor.waiting = deque(attempt for attempt in executor.waiting if attempt not in orders.kill)
        self._start(executor, now)
        if executor.state.close is not None:
            for one in list(executor.lanes):
                self._lost(one, now)
            self.count -= 1
            self.master.ended(executor.claim, executor.agent)
        else:
            self._at(executor.due_at(), executor)

    def _note(self, now: float) -> None:
        text = json.dumps({"at": now, "executors": self.count, "ended": self.ended, "syncs": self.syncs,
                           "acknowledged": self.acknowledged, "cpu_s": time.process_time()})
        fresh = self._stats.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self._stats)


def main() -> None:
    agents, cores, task_s, stats = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    executors = Executors(task_s, stats)
    executors.master = Master(agents, cores, executors.launch)
    print(executors.master.address, flush=True)
    executors.run()


if __name__ == "__main__":
    main()
