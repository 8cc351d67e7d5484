"""Addresses of masters and agents. Without pymesos: who only looks at one need not wait for that (0.04 s)."""
from __future__ import annotations


def split_address(address: str) -> tuple[str, int]:
    """ "host:5050", "10.0.0.1:5050", "[::1]:5050" to host and port; ValueError in plain words."""
    host, colon, port = address.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not an address: HOST:PORT is expected, with a port from 1 to 65535")
    return host, int(port)
