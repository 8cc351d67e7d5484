"""The scheduler's connection to Mesos: pymesos's scheduler driver, hardened against failures of masters, networks and
callbacks.
"""
from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import threading
from typing import Any, Callable, Iterable, Mapping

from mfmesos.core import events
from mfmesos.core.model import Holder, Resources
from mfmesos.mesos import translate, use_pages
from mfmesos.mesos.calls import Caller, CallLost, CallRefused, basic_credential
from mfmesos.mesos.imports import MesosSchedulerDriver
from mfmesos.mesos.process import HardenedProcess
from mfmesos.mesos.stream import StreamEnd, Timing
from mfmesos.shared.messages import mesos as m

logger = logging.getLogger(__name__)

_PATH = "/api/v1/scheduler"
_REMOVED = "has been removed"
_FINAL_ERROR = re.compile(
    rf"{_REMOVED}|completed|failed over|authoriz|authenticat|not allowed|invalid|not a valid", re.IGNORECASE)
"""ERROR events after which every further SUBSCRIBE is refused."""
_MOST_ERRORS = 5
USE_S = 60.0
"""The longest that pages about the use of the cluster are waited for: their number per second is limited."""


def speaks_tls(address: tuple[str, int], timeout_s: float = 3.0) -> bool:
    """Whether a TLS handshake with the peer succeeds."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout_s) as sock, context.wrap_socket(sock):
            return True
    except ssl.SSLError as e:
        return "ALERT" in (e.reason or "")
    except OSError:
        return False


def _cure(message: str) -> str:
    """The option of mfmesos that the master's message is about."""
    words = message.lower()
    flags = [flag for flag, about in (("--role", "role"), ("--user", "user"), ("--principal", "principal"))
             if about in words]
    return f" {m.CORRECT_OPTIONS(options=' or '.join(flags))}" if flags else ""


class SchedulerDriver(HardenedProcess, MesosSchedulerDriver):  # type: ignore[misc]  # pymesos has no types
    """Reads events on one thread and posts them as events of the core; one other thread may use `call`.

    `framework` is Mesos's FrameworkInfo. `is_suppressed` returns, at SUBSCRIBE, whether offers are suppressed;
    `is_leaving`, whether the end of the stream is expected.
    """

    def __init__(self, framework: Mapping[str, Any], masters: Iterable[str], post: Callable[[events.Event], None], *,
                 principal: str | None, secret: str | None, timing: Timing, uniform: Callable[[float, float], float],
                 clock: Callable[[], float], is_suppressed: Callable[[], bool],
                 is_leaving: Callable[[], bool] = lambda: False) -> None:
        super(HardenedProcess, self).__init__(
            None, dict(framework), ",".join(masters), implicit_acknowledgements=False, failover=True)
        self._post = post
        self._principal = principal or ""
        self._credential = basic_credential(principal, secret)
        self._caller = Caller(timing.call_s)
        self._caller_lock = threading.Lock()
        self._is_suppressed = is_suppressed
        self._is_leaving = is_leaving
        self._role = str(framework.get("role", "*"))
        self._errors = 0
        self._reported = ""
        self._calls_for_metrics = True
        self.harden([m for m in self.master_uri.split(",") if m], timing, uniform, clock)

    # --- requests ---
    @property
    def framework(self) -> dict[str, Any]:
        """As given: pymesos adds GPU_RESOURCES, and fails on versions like 1.12.0-rc1."""
        return dict(self._framework)

    def gen_request(self) -> bytes:
        subscribe: dict[str, Any] = {"framework_info": self.framework}
        if self._is_suppressed():
            subscribe["suppressed_roles"] = [self._role]
        request: dict[str, Any] = {"type": "SUBSCRIBE", "subscribe": subscribe}
        if "id" in self._framework:
            request["framework_id"] = self._framework["id"]
        body = json.dumps(request).encode("utf-8")
        head = {"Host": self._master, "Content-Type": "application/json", "Accept": "application/json",
                "Connection": "close", "Content-Length": str(len(body)), **self._credential}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        return f"POST {_PATH} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body

    def _send(self, body: Any, path: str = _PATH, method: str = "POST",
              headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One call with its answer; CallRefused or CallLost. Does not hold the driver's lock while waiting."""
        master, stream_id = self._master, self.stream_id
        if not self.connected or master is None:
            raise CallLost(m.NOT_CONNECTED(), sent=False)
        fields = {**(headers or {}), **self._credential}
        if stream_id:
            fields["Mesos-Stream-Id"] = stream_id
        with self._caller_lock:
            answer = self._caller.call(master, path, body or None, fields, method)
        return dict(json.loads(answer)) if answer.strip().startswith(b"{") else {}

    def call(self, kind: str, body: Mapping[str, Any]) -> None:
        """Send a call of the scheduler API with the framework id; CallRefused or CallLost."""
        self._send({"type": kind, "framework_id": {"value": self.framework_id}, **body})

    def list_agents(self, holders: bool = False) -> events.AgentsListed:
        """GET /slaves of the master, on a separate connection; CallRefused, CallLost, or ValueError. `holders`: also
        the frameworks in its /state-summary, none without the right to read it.
        """
        if self._master is None:
            raise CallLost(m.MASTER_UNKNOWN(), sent=False)
        caller = Caller(self._timing.call_s * 3)
        try:
            answer = caller.call(self._master, "/slaves", None, self._credential, "GET")
            found = self._holders(caller) if holders else None
        finally:
            caller.close()
        return events.AgentsListed(translate.agents(json.loads(answer), self._role), found)

    def _holders(self, caller: Caller) -> tuple[Holder, ...]:
        try:
            answer = caller.call(str(self._master), "/state-summary", None, self._credential, "GET")
            return translate.holders(json.loads(answer), str(self.framework_id))
        except (CallRefused, CallLost, ValueError, KeyError, TypeError) as e:
            logger.warning("the master did not list its frameworks: %s", e)
            return ()

    def list_use(self) -> events.UseListed:
        """Who uses the cluster: GET /roles and, if other frameworks exist, the master's metrics; CallRefused, CallLost,
        or ValueError.
        """
        if self._master is None:
            raise CallLost(m.MASTER_UNKNOWN(), sent=False)
        caller = Caller(USE_S)
        try:
            roles = use_pages.roles(json.loads(self._page(caller, "/roles")), self._role)
            if not roles.others(str(self.framework_id)):
                return events.UseListed(Resources(), roles.use)
            metrics = self._metrics(caller)
            return events.UseListed(
                use_pages.total(metrics), roles.use, use_pages.rivals(metrics, str(self.framework_id)))
        except CallRefused as e:
            if e.status not in (401, 403):
                raise
            return events.UseListed(Resources(), (), None)
        finally:
            caller.close()

    def _metrics(self, caller: Caller) -> dict[str, float]:
        """By the operator API, or from the page, which the master shows only twice a second to all together."""
        if self._calls_for_metrics:
            try:
                return use_pages.of_call(json.loads(caller.call(
                    str(self._master), "/api/v1", {"type": "GET_METRICS", "get_metrics": {}}, self._credential)))
            except CallRefused as e:
                logger.info("the master's metrics are read from its page: %s", e)
                self._calls_for_metrics = False
        return dict(json.loads(self._page(caller, "/metrics/snapshot")))

    def _page(self, caller: Caller, path: str) -> bytes:
        return caller.call(str(self._master), path, None, self._credential, "GET")

    def close_calls(self) -> None:
        with self._caller_lock:
            self._caller.close()

    def _close(self) -> None:
        """pymesos closes its call connection here, from any thread; this driver's connection notices by itself."""

    def _teardown(self) -> None:
        """Never by itself: only MesosLink.stop tears down."""

    # --- events ---
    def on_subscribed(self, info: dict[str, Any]) -> None:
        self.framework_id = info["framework_id"]["value"]
        heartbeat_s = float(info.get("heartbeat_interval_seconds") or self._timing.heartbeat_s)
        self.watch_silence(heartbeat_s * self._timing.missed_heartbeats)
        self._reported = ""
        self._post(events.Registered(info["framework_id"]["value"], str(self._master), heartbeat_s))

    def on_heartbeat(self) -> None:
        if self._clock() - self._subscribed_at > self._timing.most_backoff_s:
            self._errors = 0

    def _each(self, items: Iterable[Any], translation: Callable[[Any], Any]) -> list[Any]:
        """Translate all valid items: one invalid item does not lose the others."""
        result = []
        for item in items:
            try:
                result.append(translation(item))
            except (KeyError, ValueError, TypeError, AttributeError) as e:
                logger.warning("invalid item (%s: %s): %.300r", type(e).__name__, e, item)
        return result

    def on_offers(self, event: dict[str, Any]) -> None:
        offers = self._each(event.get("offers", []), lambda data: translate.offer(data, self._role))
        if offers:
            self._post(events.OffersReceived(tuple(offers)))
        self.on_inverse_offers(event)

    def on_inverse_offers(self, event: dict[str, Any]) -> None:
        for inverse in self._each(event.get("inverse_offers", []), translate.inverse_offer):
            self._post(inverse)

    def on_rescind(self, event: dict[str, Any]) -> None:
        self._post(events.OfferRescinded(event["offer_id"]["value"]))

    def on_rescind_inverse_offer(self, event: dict[str, Any]) -> None:
        logger.info("inverse offer %s rescinded", event["inverse_offer_id"]["value"])

    def on_update(self, event: dict[str, Any]) -> None:
        self._post(translate.update(event["status"]))

    def on_update_operation_status(self, event: dict[str, Any]) -> None:
        logger.warning("unexpected operation update: %.300r", event)

    def on_message(self, message: dict[str, Any]) -> None:
        logger.info("a message from executor %s, ignored", message["executor_id"]["value"])

    def on_failure(self, failure: dict[str, Any]) -> None:
        self._post(translate.failure(failure))

    def on_error(self, event: dict[str, Any]) -> None:
        message = event.get("message", "")
        self._errors += 1
        raise StreamEnd(m.FRAMEWORK_REFUSED(why=f"{message}{_cure(message)}"),
                        final=bool(_FINAL_ERROR.search(message)) or self._errors >= _MOST_ERRORS)

    # --- end of the stream ---
    def on_close(self) -> None:
        """pymesos's name for on_ended; never called."""

    def on_ended(self, reason: str, was_subscribed: bool) -> None:
        logger.log(logging.INFO if self._is_leaving() else logging.WARNING, "disconnected: %s", reason)
        if was_subscribed or reason != self._reported:
            self._reported = reason
            self._post(events.Disconnected(reason))

    def on_final(self, reason: str) -> None:
        logger.error("ended: %s", reason)
        self._post(events.FrameworkEnded(reason, removed=_REMOVED in reason))

    def explain(self, status: int, reason: str) -> str:
        if status == 401:
            if self._credential:
                return m.CREDENTIAL_REFUSED(why=reason)
            return m.SECRET_REQUIRED(why=reason) if self._principal else m.CREDENTIAL_REQUIRED(why=reason)
        return m.IDENTITY_REFUSED(why=reason)

    def why_closed(self, address: tuple[str, int]) -> str:
        if speaks_tls(address):
            raise StreamEnd(m.HTTPS_ONLY(address=f"{address[0]}:{address[1]}"), final=True)
        return ""

    def why_unknown_master(self, why: str) -> None:
        """Report to the core that no leading master is known."""
        self.on_ended(why, False)

