"""The doctor's checks of ZooKeeper and of the master, with the requests of a run."""
from __future__ import annotations

import getpass
import http.client
import json
import logging
import urllib.parse
from dataclasses import dataclass
from typing import Any

from mfmesos.mesos.calls import basic_credential
from mfmesos.mesos.masters import address_of, leader_of, make_client, parse_masters
from mfmesos.shared.addresses import split_address
from mfmesos.shared.messages import doctor as m
from mfmesos.shared.phrases import shortened

TIMEOUT_S = 5.0
MOST_REDIRECTS = 3
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """The framework's identity for the master."""

    role: str = "*"
    user: str = ""
    principal: str | None = None
    secret: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return basic_credential(self.principal, self.secret)


def leader(master: str) -> str:
    """HOST:PORT of the leading master in ZooKeeper. Raises OSError or ValueError in one line."""
    masters = parse_masters(master)
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # its messages are in the finding
    client: Any = make_client(masters)
    try:
        client.start(timeout=TIMEOUT_S)
        names = client.get_children(masters.zk_path) if client.exists(masters.zk_path) else []
        name = leader_of(names)
        found = address_of(client.get(f"{masters.zk_path}/{name}")[0]) if name is not None else None
    except Exception as e:  # kazoo raises many kinds
        raise OSError(m.ZOOKEEPER_SILENT(why=": ".join(filter(None, (type(e).__name__, str(e)))))) from None
    finally:
        client.stop()
        client.close()
    if found is None:
        raise ValueError(m.NO_LEADER(path=masters.zk_path))
    return found


def subscribe(address: str, wanted: Wanted) -> str:
    """Register a framework and leave at once; returns the master's reason for a refusal, empty if accepted. Raises
    OSError or ValueError if the server does not answer like a master.
    """
    framework: dict[str, Any] = {
        "name": "mfmesos doctor", "user": wanted.user or getpass.getuser(), "role": wanted.role,
        "failover_timeout": 0.0, "capabilities": [{"type": "PARTITION_AWARE"}]}
    if wanted.principal:
        framework["principal"] = wanted.principal
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {
        "framework_info": framework, "suppressed_roles": [wanted.role]}})
    headers = {"Content-Type": "application/json", "Accept": "application/json", **wanted.headers}
    for _ in range(MOST_REDIRECTS):
        connection = http.client.HTTPConnection(*split_address(address), timeout=TIMEOUT_S)
        try:
            connection.request("POST", "/api/v1/scheduler", body, headers)
            answer = connection.getresponse()
            if answer.status in (307, 308):
                address = urllib.parse.urlsplit(answer.getheader("Location") or "").netloc or address
                continue
            if answer.status != 200:
                return shortened(f"HTTP {answer.status} {answer.read(MOST_BYTES).decode(errors='replace')}", 200)
            event = _event(answer)
            if event.get("type") == "ERROR":
                return shortened(str(event.get("error", {}).get("message", m.NO_REASON())), 200)
            return ""
        except http.client.HTTPException as e:
            raise ValueError(m.NO_MASTER_ANSWER(address=address, kind=type(e).__name__)) from None
        finally:
            connection.close()
    raise ValueError(m.REDIRECTED(address=address))


def _event(answer: http.client.HTTPResponse) -> dict[str, Any]:
    """The first event of the stream: its length in a line, then JSON."""
    length = int(answer.readline(20))
    return dict(json.loads(answer.read(min(length, MOST_BYTES))))
