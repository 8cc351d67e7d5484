"""Addresses: parse them, and find the address of this machine that agents can reach."""
from __future__ import annotations

import socket

from mfmesos.shared.messages import shared as m


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine only."""
    import ipaddress  # here: executors, which only split addresses, start sooner without it

    try:
        return ipaddress.ip_address(host.strip("[]").split("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def split_host_port(text: str, port: int) -> tuple[str, int]:
    """Parse "HOST", "HOST:PORT", "[V6]:PORT" or a bare IPv6 address; `port` is the default. Raises ValueError."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or not _is_v6(host) or rest[:1] not in ("", ":"):
            raise ValueError(m.NOT_V6(text=text))
        return host, _port(rest[1:], text) if rest else port
    host, colon, number = text.partition(":")
    if ":" in number:
        if not _is_v6(text):
            raise ValueError(m.NOT_HOST_PORT(text=text))
        return text, port
    return host, _port(number, text) if colon else port


def split_address(address: str) -> tuple[str, int]:
    """Split the address of a master or an agent, "host:5050", "10.0.0.1:5050" or "[::1]:5050", which must name a port;
    ValueError with a plain reason.
    """
    host, colon, port = address.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError(m.NOT_HOST_AND_PORT(address=address))
    return host, int(port)


def _is_v6(text: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(text.split("%")[0]).version == 6
    except ValueError:
        return False


def _port(number: str, text: str) -> int:
    if not (number.isascii() and number.isdigit() and int(number) < 65536):
        raise ValueError(m.NOT_A_PORT(text=text, port=number))
    return int(number)


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def route_to(host: str, port: int = 9) -> str | None:
    """The local source address for packets to `host`, found without sending any. None without a route."""
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port or 9, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind, protocol) as s:
                s.connect(address)
                return str(s.getsockname()[0])
    except OSError:
        return None
    return None


def advertised(host: str) -> str:
    """The address under which other machines reach a server that listens on `host`. For a wildcard: the source address
    of outgoing packets, of an address family that the server listens to.
    """
    import ipaddress

    try:
        bound = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM,
                                   flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE)[0][4][0]
        family = ipaddress.ip_address(bound)
    except (OSError, ValueError):
        return host  # a name
    if not family.is_unspecified:
        return host
    if family.version == 4:
        return route_to("192.0.2.1") or "127.0.0.1"
    return (route_to("192.0.2.1") if socket.has_dualstack_ipv6() else None) or route_to("2001:db8::1") or "::1"


def default_host(master: str) -> str:
    """The listening address for agents of `master` ("HOST:PORT", "H1:P1,H2:P2", "zk://[USER@]H1:P1,H2:P2/PATH"):
    loopback for a master on loopback, otherwise the local address on the route to the master; loopback without a route.
    """
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
