"""Finds the master: parses the user's address, and follows the leader in ZooKeeper."""
from __future__ import annotations

import json
import logging
import threading
from typing import Any, Callable

from mfmesos.shared.addresses import split_address
from mfmesos.shared.messages import mesos as m
from mfmesos.shared.values import value

logger = logging.getLogger(__name__)

DEFAULT_PORT = 5050
_ZK_PREFIXES = ("zk://", "zoo://")


@value(frozen=True)
class Masters:
    """Either `addresses` (HOST:PORT, at least one), or a ZooKeeper with its hosts, path, and credentials or None."""

    addresses: tuple[str, ...] = ()
    zk_hosts: str = ""
    zk_path: str = ""
    zk_auth: str | None = None


def parse_masters(text: str) -> Masters:
    """Parse "HOST", "HOST:PORT", "H1:P1,H2:P2", "zk://[USER:PASSWORD@]H1:P1,H2:P2/PATH"; ValueError with one clear
    line.
    """
    text = text.strip()
    if text.startswith("https://"):
        raise ValueError(m.MASTER_HTTPS(master=text))
    if text.startswith(_ZK_PREFIXES):
        return _parse_zk(text)
    if text.startswith("http://"):
        text = text[len("http://"):].rstrip("/")
    if not text:
        raise ValueError(m.MASTER_EMPTY())
    if "/" in text or " " in text:
        raise ValueError(m.MASTER_MALFORMED(master=text))
    return Masters(addresses=tuple(_address(part, text) for part in text.split(",")))


def _address(part: str, text: str) -> str:
    if ":" not in part or part.endswith("]"):
        part = f"{part}:{DEFAULT_PORT}"
    try:
        split_address(part)
    except ValueError as e:
        raise ValueError(m.MASTER_INVALID(master=text, why=e)) from None
    return part


def _parse_zk(text: str) -> Masters:
    rest = text.split("://", 1)[1]
    hosts, slash, path = rest.partition("/")
    auth, at, hosts = hosts.rpartition("@")
    if not hosts.strip(",") or not slash or not path.strip("/"):
        raise ValueError(m.ZOOKEEPER_INCOMPLETE(master=text))
    for host in hosts.split(","):
        try:
            split_address(host if ":" in host else f"{host}:2181")
        except ValueError as e:
            raise ValueError(m.MASTER_INVALID(master=text, why=e)) from None
    return Masters(zk_hosts=hosts, zk_path="/" + path.strip("/"), zk_auth=auth if at else None)


def leader_of(names: list[str]) -> str | None:
    """The leading master's node among ZooKeeper's children: the lowest sequence number of the JSON nodes."""
    masters = [n for n in names if n.startswith("json.info_")]
    return min(masters, key=lambda n: n.rpartition("_")[2], default=None)


def address_of(data: bytes) -> str | None:
    """HOST:PORT from a master's node; None for other content."""
    try:
        address = json.loads(data.decode("utf-8"))["address"]
        host, port = address.get("ip") or address["hostname"], int(address["port"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def make_client(masters: Masters) -> Any:
    """A ZooKeeper client that has not connected yet."""
    from kazoo.client import KazooClient

    client = KazooClient(hosts=masters.zk_hosts, timeout=10)
    if masters.zk_auth:
        client.add_auth("digest", masters.zk_auth)
    return client


class LeaderWatch:
    """Follows the leader in ZooKeeper on a separate thread; like pymesos's detector, but no error ends it.

    `found` is called with HOST:PORT, or with None and the reason while no leader exists. An unresponsive ZooKeeper is
    no reason to leave a master that was found.
    """

    def __init__(self, masters: Masters, found: Callable[[str | None, str], None], *,
                 client: Callable[[Masters], Any] = make_client, retry_s: float = 2.0,
                 look_again_s: float = 10.0) -> None:
        self._masters = masters
        self._found = found
        self._make_client = client
        self._retry_s = retry_s
        self._look_again_s = look_again_s
        self._changed = threading.Event()
        self._ended = False
        self._last: str | None = ""
        """Empty: unknown."""
        self._thread = threading.Thread(target=self._run, name="zookeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended = True
        self._changed.set()

    def _run(self) -> None:
        client: Any = None
        while not self._ended:
            try:
                if client is None:
                    client = self._make_client(self._masters)
                    client.start(timeout=15)
                self._look(client)
                pause = self._look_again_s
            except Exception as e:  # kazoo raises many kinds, and none is a reason to stop watching
                logger.warning("zookeeper=%s %s: %s", self._masters.zk_hosts, type(e).__name__, e)
                pause = self._retry_s
                if not self._last:
                    self._report(None, m.ZOOKEEPER_AWAITED(hosts=self._masters.zk_hosts))
                if client is not None and not client.connected:
                    self._close(client)
                    client = None
            self._changed.wait(pause)
            self._changed.clear()
        if client is not None:
            self._close(client)

    def _look(self, client: Any) -> None:
        address, names = None, []
        if client.exists(self._masters.zk_path, watch=lambda _event: self._changed.set()):
            names = client.get_children(self._masters.zk_path, watch=lambda _event: self._changed.set())
        name = leader_of(names)
        if name is not None:
            data, _ = client.get(f"{self._masters.zk_path}/{name}")
            address = address_of(data)
        where = f"zk://{self._masters.zk_hosts}{self._masters.zk_path}"
        self._report(address, "" if address else m.LEADER_AWAITED(path=where))

    def _report(self, address: str | None, why: str) -> None:
        if address != self._last:
            self._last = address
            self._found(address, why)

    def _close(self, client: Any) -> None:
        try:
            client.stop()
            client.close()
        except Exception as e:
            logger.info("zookeeper=%s closing: %s", self._masters.zk_hosts, e)
