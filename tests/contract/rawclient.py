"""A framework that speaks the Mesos v1 scheduler API itself, with sockets only: for tests of clusters."""
from __future__ import annotations

import base64
import http.client
import json
import queue
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Callable

EXECUTOR = Path(__file__).with_name("rawexecutor.py")
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE"}
END = "(end of stream)"
Event = dict[str, Any]


class Framework:
    """Subscribes when made; use it as a context manager, which tears the framework down."""

    def __init__(
            self, master: str, *, role: str = "*", failover_timeout: float = 0.0, framework_id: str | None = None,
            credential: tuple[str, str] | None = None, capabilities: tuple[str, ...] = (), checkpoint: bool = False,
            name: str = "contract", subscribe: bool = True, auto_acknowledge: bool = True,
            multi_role: bool = True) -> None:
        self.master, self.credential = master, credential
        self.auto_acknowledge = auto_acknowledge
        self.info: Event = {
            "user": "root", "name": name, "roles": [role], "failover_timeout": failover_timeout,
            "checkpoint": checkpoint,
            "capabilities": [{"type": t} for t in (*(("MULTI_ROLE",) if multi_role else ()), *capabilities)]}
        if not multi_role:
            self.info["role"] = self.info.pop("roles")[0]
        if credential:
            self.info["principal"] = credential[0]
        if framework_id:
            self.info["id"] = {"value": framework_id}
        self.id = framework_id
        self.stream_id = ""
        self.events: queue.Queue[Event] = queue.Queue()
        self.seen: list[Event] = []
        self._passed: list[Event] = []
        """Offers that came while something else was waited for."""
        self._stream: http.client.HTTPConnection | None = None
        if subscribe:
            self.subscribe()

    # --- the stream --------------------------------------------------------------------------------
    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.credential:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self.credential).encode()).decode()
        return headers

    def subscribe(self) -> None:
        """Opens the stream and waits for SUBSCRIBED."""
        body: Event = {"type": "SUBSCRIBE", "subscribe": {"framework_info": self.info}}
        if self.id:
            body["framework_id"] = {"value": self.id}
        host, port = self.master.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("POST", "/api/v1/scheduler", json.dumps(body), self.headers())
        answer = connection.getresponse()
        if answer.status != 200:
            raise ConnectionError(f"{answer.status} {answer.read().decode()}")
        self.stream_id = answer.headers["Mesos-Stream-Id"]
        self._stream = connection
        threading.Thread(target=self._read, args=(answer,), daemon=True).start()
        event = self.wait("SUBSCRIBED", "ERROR")
        if event["type"] == "ERROR":
            raise ConnectionError(event["error"]["message"])
        self.id = event["subscribed"]["framework_id"]["value"]
        self.info["id"] = {"value": self.id}

    def _read(self, answer: http.client.HTTPResponse) -> None:
        try:
            while line := answer.readline():
                event = json.loads(answer.read(int(line)))
                if event["type"] == "UPDATE" and self.auto_acknowledge:
                    self.acknowledge(event["update"]["status"])
                self.events.put(event)
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.events.put({"type": END})

    def wait(self, *types: str, match: Callable[[Event], Any] = lambda e: True, timeout: float = 15.0) -> Event:
        """The next event of these types that matches; others go by (and stay in `seen`)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"no {types} within {timeout:g} s; seen: {[summary(e) for e in self.seen[-30:]]}") from None
            self.seen.append(event)
            if event["type"] in types and match(event):
                return event
            self._passed += event.get("offers", {}).get("offers", ())

    def nothing(self, *types: str, seconds: float) -> None:
        """AssertionError when an event of these types comes within that many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                return
            self.seen.append(event)
            assert event["type"] not in types, f"unexpected {event}"

    def drop(self) -> None:
        """Cuts the connection, without a TEARDOWN."""
        if self._stream is not None and self._stream.sock is not None:
            self._stream.sock.shutdown(2)

    # --- calls ---------------------------------------------------------------------------------------
    def raw_call(self, body: Event, headers: dict[str, str] | None = None) -> tuple[int, str]:
        host, port = self.master.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        try:
            connection.request("POST", "/api/v1/scheduler", json.dumps(body), {
                **self.headers(), "Mesos-Stream-Id": self.stream_id, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def call(self, type: str, **fields: Any) -> None:
        """A call that has to be accepted."""
        status, text = self.raw_call({"type": type, "framework_id": {"value": self.id}, **fields})
        assert status == 202, f"{type}: {status} {text}"

    def acknowledge(self, status: Event) -> None:
        if status.get("uuid"):
            self.call("ACKNOWLEDGE", acknowledge={
                "agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]})

    def decline(self, offer: Event, refuse_s: float | None = None) -> None:
        filters = {} if refuse_s is None else {"filters": {"refuse_seconds": refuse_s}}
        self.call("DECLINE", decline={"offer_ids": [offer["id"]], **filters})

    def launch(self, offers: list[Event], tasks: list[Event], refuse_s: float = 0.0) -> None:
        self.call("ACCEPT", accept={
            "offer_ids": [o["id"] for o in offers], "filters": {"refuse_seconds": refuse_s},
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}]})

    def kill(self, task: Event, **fields: Any) -> None:
        self.call("KILL", kill={"task_id": task["task_id"], "agent_id": task["agent_id"], **fields})

    def reconcile(self, *tasks: Event) -> None:
        self.call("RECONCILE", reconcile={"tasks": [
            {"task_id": t["task_id"], **({"agent_id": t["agent_id"]} if "agent_id" in t else {})} for t in tasks]})

    def teardown(self) -> None:
        self.raw_call({"type": "TEARDOWN", "framework_id": {"value": self.id}})

    # --- what tests say often ------------------------------------------------------------------------
    def offer(self, timeout: float = 15.0, **at_least: float) -> Event:
        """One offer with at least so much (cpus, mem, disk); others are declined for a moment."""
        while True:
            offers, self._passed = self._passed, []
            if not offers:
                offers = self.wait("OFFERS", timeout=timeout)["offers"]["offers"]
            found = None
            for offer in offers:
                if found is None and all(amount(offer, k) >= v for k, v in at_least.items()):
                    found = offer
                else:
                    self.decline(offer, 1.0)
            if found is not None:
                return found

    def decline_others(self) -> None:
        """What came beside the events that were waited for is declined: others are offered it."""
        offers, self._passed = self._passed, []
        for offer in offers:
            self.decline(offer, 100)

    def run(self, do: str = "run", **settings: Any) -> Event:
        """Launches one task on the next offer and returns its TaskInfo."""
        offer = self.offer(cpus=0.1, mem=64)
        made = task(offer, do, **settings)
        self.launch([offer], [made])
        return made

    def state(self, task: Event, *states: str, timeout: float = 15.0) -> Event:
        """The next status of the task in one of the states (any when none is named)."""
        event = self.wait("UPDATE", timeout=timeout, match=lambda e: (
            e["update"]["status"]["task_id"] == task["task_id"]
            and (not states or e["update"]["status"]["state"] in states)))
        status: Event = event["update"]["status"]
        return status

    def __enter__(self) -> Framework:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.teardown()
        finally:
            self.drop()


def summary(event: Event) -> str:
    if event["type"] == "UPDATE":
        status = event["update"]["status"]
        return f"{status['state']} of {status['task_id']['value']} ({status.get('reason')}: {status.get('message')})"
    return str(event["type"])


def amount(offer: Event, name: str) -> float:
    """Sum of a scalar resource in an offer."""
    return sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == name)


def resources(cpus: float, mem: float, disk: float = 0.0, role: str = "*") -> list[Event]:
    found = [{"name": n, "type": "SCALAR", "scalar": {"value": v}, "allocation_info": {"role": role}}
             for n, v in (("cpus", cpus), ("mem", mem), ("disk", disk)) if v]
    return list(found)


def executor(executor_id: str, cpus: float = 0.05, mem: float = 32, role: str = "*", **command: Any) -> Event:
    return {"type": "CUSTOM", "executor_id": {"value": executor_id}, "name": "contract",
            "command": {"shell": True, "value": f"exec {sys.executable} -S {EXECUTOR}", **command},
            "resources": resources(cpus, mem, role=role)}


def task(offer: Event, do: str = "run", *, id: str | None = None, cpus: float = 0.1, mem: float = 32,
         role: str = "*", executor_info: Event | None = None, **more: Any) -> Event:
    """A TaskInfo on the offer's agent; `do` is the test's order to its executor, see rawexecutor.py."""
    id = id or uuid.uuid4().hex[:8]
    return {"name": f"task {id}", "task_id": {"value": id}, "agent_id": offer["agent_id"],
            "resources": resources(cpus, mem, role=role),
            "executor": executor_info or executor(f"executor-{id}", role=role),
            "data": base64.b64encode(do.encode()).decode(), **more}
