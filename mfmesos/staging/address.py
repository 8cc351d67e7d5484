"""Which address of this machine the agents can reach."""
from __future__ import annotations

import ipaddress
import socket


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def split_host_port(text: str, port: int) -> tuple[str, int]:
    """"HOST", "HOST:PORT", "[V6]:PORT" or a bare IPv6 address; `port` where none is named. ValueError for a bad one."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest[1:]) if rest.startswith(":") else port
    if text.count(":") == 1:
        host, _, number = text.partition(":")
        return host, int(number)
    return text, port


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def route_to(host: str, port: int = 9) -> str | None:
    """The local address from which packets to `host` leave; nothing is sent. None when there is no route."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port or 9, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind, protocol) as s:
                s.connect(address)
                return str(s.getsockname()[0])
    except OSError:
        return None
    return None


def default_host(master: str) -> str:
    """Where to listen for agents of `master` ("HOST:PORT", "H1:P1,H2:P2", "zk://[USER@]H1:P1,H2:P2/PATH"): loopback
    for a master on loopback, else the address of the route to it; loopback too where there is no route."""
    hosts = master
    if "://" in hosts:
        hosts = hosts.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1]
    for one in hosts.split(","):
        try:
            host, port = split_host_port(one.strip().rstrip("/"), 5050)
        except ValueError:
            continue
        if is_loopback(host):
            return "127.0.0.1"
        found = route_to(host, port) if host else None
        if found:
            return "127.0.0.1" if is_loopback(found) else found
    return "127.0.0.1"
