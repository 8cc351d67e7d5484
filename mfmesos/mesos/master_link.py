"""The scheduler's link to Mesos: a separate thread sends calls in order; received events become events of the core.

Only `stop` blocks the caller, and no call is lost silently: a launch that cannot have reached the master is reported as
LaunchDropped, a kill waits for the next connection, and Mesos repeats or voids the rest.
"""
from __future__ import annotations

import getpass
import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Sequence

from mfmesos.core import events
from mfmesos.core.actions import OpenClaim
from mfmesos.mesos import open_claim
from mfmesos.mesos.calls import CallLost, CallRefused
from mfmesos.mesos.masters import LeaderWatch, parse_masters
from mfmesos.mesos.scheduler_driver import SchedulerDriver
from mfmesos.mesos.stream import Timing
from mfmesos.shared.messages import mesos as m

logger = logging.getLogger(__name__)

_MOST_MERGED = 500


@dataclass
class FrameworkSettings:
    """The framework's identity in Mesos."""

    name: str
    user: str
    """The user that executors run as; empty for the user of this process."""
    hostname: str
    role: str = "*"
    principal: str | None = None
    secret: str | None = None
    framework_id: str | None = None
    """The id of the framework in an earlier scheduler, to resume it."""
    failover_timeout_s: float = 604800.0
    webui_url: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    """For people who look at the cluster; also of the framework's tasks."""
    checkpoint: bool = True
    gpus: bool = False
    """Whether to accept offers with GPUs: Mesos sends them only to frameworks with that capability."""
    claim_grace_s: float = 10.0
    """Seconds that an executor may take to end everything after KILL or SHUTDOWN."""

    def info(self) -> dict[str, Any]:
        """Mesos's FrameworkInfo."""
        capabilities = ["PARTITION_AWARE"] + (["GPU_RESOURCES"] if self.gpus else [])
        info: dict[str, Any] = {
            "name": self.name, "user": self.user or getpass.getuser(), "role": self.role, "hostname": self.hostname,
            "checkpoint": self.checkpoint, "failover_timeout": self.failover_timeout_s,
            "capabilities": [{"type": c} for c in capabilities]}
        if self.labels:
            info["labels"] = open_claim.mesos_labels(self.labels)
        if self.webui_url:
            info["webui_url"] = self.webui_url
        if self.principal is not None:
            info["principal"] = self.principal
        if self.framework_id is not None:
            info["id"] = {"value": self.framework_id}
        return info


_REVIVE, _SUPPRESS = "REVIVE", "SUPPRESS"


@dataclass
class _Call:
    kind: str
    body: dict[str, Any] = field(default_factory=dict)
    keep: bool = False
    """Send it after a reconnect if it cannot be sent now; sending it twice is safe."""
    claim_id: str = ""
    """For a launch: reported as dropped if the launch did not reach the master."""
    refuse_s: float = 0.0


def _value(text: str) -> dict[str, str]:
    return {"value": text}


class MesosLink:
    """`start`, then calls from any thread, `stop` at the end. The link's own threads call `post`.

    `master` is "HOST[:PORT]", "H1:P1,H2:P2" or "zk://H1:P1,H2:P2/PATH"; ValueError (one line) for anything else.
    """

    def __init__(self, master: str, settings: FrameworkSettings, post: Callable[[events.Event], None], *,
                 timing: Timing | None = None, clock: Callable[[], float] = time.monotonic,
                 uniform: Callable[[float, float], float] = random.uniform,
                 watch: Callable[..., LeaderWatch] = LeaderWatch) -> None:
        masters = parse_masters(master)
        self._settings = settings
        self._post_to = post
        self._clock = clock
        timing = timing or Timing()
        self._again_s = timing.again_s
        self._suppressed = False
        self._changed = threading.Condition()
        self._queue: deque[_Call] = deque()
        self._kept: list[_Call] = []
        self._kept_since = 0.0
        self._busy = False
        self._ending = False
        self._leaving = False
        self._ended_by_master = False
        self._driver = SchedulerDriver(
            settings.info(), masters.addresses, self._from_driver, principal=settings.principal,
            secret=settings.secret, timing=timing, uniform=uniform, clock=clock,
            is_suppressed=lambda: self._suppressed, is_leaving=lambda: self._leaving)
        self._watch = watch(masters, self._found_leader) if masters.zk_hosts else None
        self._sender = threading.Thread(target=self._send_calls, name="mesos-calls", daemon=True)

    # --- life ---
    @property
    def framework_id(self) -> str | None:
        value: str | None = self._driver.framework_id
        return value

    @property
    def connected(self) -> bool:
        return self._driver.connected

    def start(self) -> None:
        """Connect; posts Registered or Disconnected."""
        self._driver.start()
        self._sender.start()
        if self._watch is not None:
            self._watch.start()

    def stop(self, teardown: bool, timeout_s: float) -> None:
        """Send the queued calls, then end, within `timeout_s`. `teardown` ends the framework with all its tasks for
        good; otherwise the framework stays for failover_timeout, and its id can be used to resume it.
        """
        deadline = self._clock() + timeout_s
        self._leaving = True
        with self._changed:
            if teardown and self.framework_id is None and not self._ended_by_master:
                # A SUBSCRIBE may be in transit: its answer names the framework to tear down.
                self._changed.wait_for(lambda: self.connected or self._ended_by_master, min(2.0, timeout_s))
            if teardown and self.framework_id is not None and not self._ended_by_master:
                self._queue.append(_Call("TEARDOWN", keep=True))
                self._changed.notify_all()
            while (self._queue or self._kept or self._busy) and not self._ended_by_master:
                left = deadline - self._clock()
                if left <= 0:
                    logger.warning("%d calls unsent at the end", len(self._queue) + len(self._kept))
                    break
                self._changed.wait(min(left, 0.5))
            self._ending = True
            self._changed.notify_all()
        if self._watch is not None:
            self._watch.stop()
        self._driver.halt(max(0.5, deadline - self._clock()))
        if self._sender.is_alive():
            self._sender.join(max(0.5, deadline - self._clock()))

    # --- calls ---
    def open_claim(self, action: OpenClaim, *, command: str, archive_uri: str, data: bytes, task_name: str,
                   labels: Sequence[tuple[str, str]] = ()) -> None:
        """Accept the offers and launch the claim. `data` reaches the executor as TaskInfo.data; `labels`: besides those
        of the framework.
        """
        try:
            body = open_claim.accept(
                action, role=self._settings.role, user=self._settings.user, framework_id=self.framework_id or "",
                command=command, archive_uri=archive_uri, data=data, task_name=task_name,
                grace_s=self._settings.claim_grace_s, labels=(*self._settings.labels, *labels))
        except ValueError as e:
            self._post(events.LaunchDropped(action.claim_id, str(e)))
            self.decline([offer.id for offer in action.offers], 0.0)
            return
        self._put(_Call("ACCEPT", {"accept": body}, claim_id=action.claim_id))

    def decline(self, offer_ids: Iterable[str], refuse_s: float) -> None:
        """Decline the offers; the same resources are not offered again for `refuse_s` seconds."""
        body = {"offer_ids": [_value(i) for i in offer_ids], "filters": {"refuse_seconds": float(refuse_s)}}
        if body["offer_ids"]:
            self._put(_Call("DECLINE", {"decline": body}, refuse_s=refuse_s))

    def revive(self) -> None:
        """Request offers again; clears every `refuse_s`."""
        self._wish(_REVIVE)

    def suppress(self) -> None:
        """Request no more offers; remembered over reconnects."""
        self._wish(_SUPPRESS)

    def _wish(self, kind: str) -> None:
        """One that is lost is sent again unless the other was wished for since: a run whose REVIVE is lost would never
        get an offer.
        """
        with self._changed:
            self._suppressed = kind == _SUPPRESS
            self._kept = [call for call in self._kept if call.kind not in (_REVIVE, _SUPPRESS)]
        self._put(_Call(kind, keep=True))

    def kill(self, claim_id: str, agent_id: str | None, grace_s: float) -> None:
        body: dict[str, Any] = {"task_id": _value(claim_id),
                                "kill_policy": {"grace_period": {"nanoseconds": int(grace_s * 1e9)}}}
        if agent_id is not None:
            body["agent_id"] = _value(agent_id)
        self._put(_Call("KILL", {"kill": body}, keep=True))

    def acknowledge(self, claim_id: str, agent_id: str, uuid: str) -> None:
        """Acknowledge the update `uuid` from ClaimUpdated. Lost acknowledgements do no harm: Mesos repeats the
        update.
        """
        self._put(_Call("ACKNOWLEDGE", {"acknowledge": {
            "agent_id": _value(agent_id), "task_id": _value(claim_id), "uuid": uuid}}))

    def reconcile(self, claims: Iterable[tuple[str, str | None]] = ()) -> None:
        """Request the states of these claims (claim id, agent id or None), or of all that the master knows."""
        tasks = [{"task_id": _value(c), **({"agent_id": _value(a)} if a is not None else {})} for c, a in claims]
        self._put(_Call("RECONCILE", {"reconcile": {"tasks": tasks}}))

    def accept_inverse_offer(self, inverse_offer_id: str) -> None:
        self._put(_Call("ACCEPT_INVERSE_OFFERS", {
            "accept_inverse_offers": {"inverse_offer_ids": [_value(inverse_offer_id)]}}))

    def shutdown_executor(self, claim_id: str, agent_id: str) -> None:
        """Ask the agent to end the claim's executor, by force after the executor's grace period."""
        self._put(_Call("SHUTDOWN", {"shutdown": {
            "executor_id": _value(claim_id), "agent_id": _value(agent_id)}}, keep=True))

    def list_agents(self, holders: bool = False) -> None:
        """Post AgentsListed, with `holders` also what each framework holds; nothing if the master does not answer."""
        threading.Thread(target=self._list_agents, args=(holders,), name="mesos-agents", daemon=True).start()

    def _list_agents(self, holders: bool) -> None:
        try:
            self._post(self._driver.list_agents(holders))
        except (CallRefused, CallLost, ValueError, KeyError, TypeError) as e:
            logger.warning("the master did not list its agents: %s", e)

    def list_use(self) -> None:
        """Post UseListed; nothing if the master does not answer."""
        threading.Thread(target=self._list_use, name="mesos-use", daemon=True).start()

    def _list_use(self) -> None:
        try:
            self._post(self._driver.list_use())
        except (CallRefused, CallLost, ValueError, KeyError, TypeError, AttributeError) as e:
            logger.warning("the master did not show who uses the cluster: %s", e)

    # --- events ---
    def _post(self, event: events.Event) -> None:
        try:
            self._post_to(event)
        except Exception:
            logger.exception("event=%s could not be posted", type(event).__name__)

    def _from_driver(self, event: events.Event) -> None:
        if isinstance(event, (events.Registered, events.FrameworkEnded)):
            self._driver_changed(ended=isinstance(event, events.FrameworkEnded))
        if not self._leaving:  # messages of the master about this disconnect are no news
            self._post(event)

    def _driver_changed(self, ended: bool) -> None:
        """The driver has (re)registered, or `ended` for good: send the waiting calls first, or drop them."""
        with self._changed:
            self._ended_by_master = ended
            self._requeue_kept()
            self._changed.notify_all()

    def _found_leader(self, address: str | None, why: str) -> None:
        self._driver.change_master(address)
        if address is None:
            self._driver.why_unknown_master(why)

    # --- sending ---
    def _put(self, call: _Call) -> None:
        with self._changed:
            self._queue.append(call)
            self._changed.notify_all()

    def _requeue_kept(self) -> None:
        self._queue.extendleft(reversed(self._kept))
        self._kept.clear()

    def _keep(self, call: _Call) -> None:
        with self._changed:
            if call.kind == (_REVIVE if self._suppressed else _SUPPRESS):
                return  # the other was wished for since
            if not self._kept:
                self._kept_since = self._clock()
            self._kept.append(call)

    def _ready(self) -> bool:
        if self._kept and self.connected and self._clock() - self._kept_since >= self._again_s:
            self._requeue_kept()
        return bool(self._ending or self._queue)

    def _send_calls(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not self._ready():
                    self._changed.wait(1.0 if self._kept else None)
                if not self._queue:
                    break
                call = self._next_call()
                self._busy = True
            try:
                self._send_call(call)
            except Exception:
                logger.exception("call=%s failed", call.kind)
        self._driver.close_calls()

    def _next_call(self) -> _Call:
        """The first call of the queue; consecutive declines become one call."""
        call = self._queue.popleft()
        if call.kind != "DECLINE":
            return call
        ids = list(call.body["decline"]["offer_ids"])
        while (self._queue and self._queue[0].kind == "DECLINE" and self._queue[0].refuse_s == call.refuse_s
               and len(ids) < _MOST_MERGED):
            ids += self._queue.popleft().body["decline"]["offer_ids"]
        return _Call("DECLINE", {"decline": {**call.body["decline"], "offer_ids": ids}}, refuse_s=call.refuse_s)

    def _send_call(self, call: _Call) -> None:
        try:
            self._driver.call(call.kind, call.body)
        except CallRefused as e:
            reason = m.CALL_REFUSED(call=call.kind, why=e)
            stale = e.status != 400 or "stream" in str(e).lower()
            self._failed(call, reason, sent=False, again=call.keep and stale)
            if stale:
                self._driver.reconnect(reason)
        except CallLost as e:
            self._failed(call, str(e), sent=e.sent, again=call.keep)
        else:
            if call.kind == "TEARDOWN":
                self._driver.halt(0.0)

    def _failed(self, call: _Call, reason: str, sent: bool, again: bool) -> None:
        logger.warning("call=%s claim=%s %s", call.kind, call.claim_id, reason)
        if again:
            self._keep(call)
        elif call.claim_id and not sent:
            self._post(events.LaunchDropped(call.claim_id, reason))
        # A launch that may have arrived is neither repeated nor given up: reconciliation will decide.
