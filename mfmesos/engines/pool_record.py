"""The pool's own record in the catalog, as cctools' factories publish theirs, so that the catalog lists the pool."""
from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

from mfmesos import __version__
from mfmesos.engines.pool_status import Row
from mfmesos.settings.pool_settings import PoolSettings

EVERY_S = 60.0
MOST_BYTES = 60_000
"""The catalog takes a record in one datagram."""


def record(settings: PoolSettings, rows: Sequence[Row]) -> bytes:
    """The datagram; of too many managers only the first are listed."""
    pattern = "|".join(f"({project})" for project in settings.projects)
    connected = sum(row.connected for row in rows)
    workers = sum(row.workers for row in rows)
    found: dict[str, Any] = {
        "type": "vine_factory", "version": f"mfmesos {__version__}", "owner": _owner(),
        "port": -(os.getpid() % 65536),  # no port, but what tells pools of one machine apart
        "project_regex": pattern, "submission_regex": pattern, "factory_name": "mfmesos pool",
        "max_workers": sum(its.max_workers for its in settings.projects.values()),
        "workers_submitted": workers, "workers_needed": workers, "workers_requested": sum(row.unplaced for row in rows),
        "workers_to_connect": workers - connected, "foremen": [], "managers": [
            {"project": row.project, "name": row.host, "port": row.port, "tasks_waiting": row.tasks_waiting,
             "tasks_running": row.tasks_running, "tasks_complete": 0, "workers": row.workers} for row in rows]}
    while True:
        data = json.dumps(found).encode()
        if len(data) <= MOST_BYTES:
            return data
        found["managers"] = found["managers"][:len(found["managers"]) // 2]


def send(host: str, port: int, data: bytes) -> None:
    """As cctools' own updates: by UDP, and lost if the catalog is down. Raises OSError for an unknown host."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as sending:
        sending.sendto(data, address)


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
