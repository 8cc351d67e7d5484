"""A range of ports for the staging server, for sites whose firewall opens no others."""
from __future__ import annotations

import os

from mfmesos.settings.config import ConfigError
from mfmesos.shared.bounds import PORT
from mfmesos.shared.messages import settings as m


def port_range(text: str) -> range:
    """Of "FIRST-LAST", both included; empty for no text. Raises ConfigError."""
    if not text:
        return range(0)
    first, _, last = text.partition("-")
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()
            and 0 < int(first) < int(last) and PORT.holds(int(last))):
        raise ConfigError(m.BAD_PORTS(value=repr(text[:40])))
    return range(int(first), int(last) + 1)


def to_try(known: int, given: int, ports: str, process: int | None = None) -> tuple[int, ...]:
    """The ports to try in turn: `known` of an earlier scheduler (or 0), then the `given` one or, if that is 0 (any),
    those of the range, from another one for each process. The last one is not tried: the archive may have the port
    after the one that is taken. Raises ConfigError.
    """
    wanted = port_range(ports)[:-1] if not given else range(0)
    if not wanted:
        return tuple(dict.fromkeys((known or given, given)))
    start = (os.getpid() if process is None else process) % len(wanted)
    return tuple(dict.fromkeys((*([known] if known else []), *wanted[start:], *wanted[:start])))
