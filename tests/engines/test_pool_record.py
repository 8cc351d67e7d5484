"""The pool's own record in the catalog."""
from __future__ import annotations

import json
import socket

from mfmesos.engines.pool_record import MOST_BYTES, record, send
from mfmesos.engines.pool_status import Row
from mfmesos.settings.pool_settings import PoolSettings
from mfmesos.shares.pool_values import ProjectSettings

ROW = Row("p", "10.0.0.1", 9123, 6, 2, 8, 4, 2, 1, 1, 0, 0, "")
SETTINGS = PoolSettings({"p.*": ProjectSettings(), "q": ProjectSettings(max_workers=3)})


def test_what_it_says() -> None:
    """Its projects, workers and managers, as cctools' own factories name them."""
    found = json.loads(record(SETTINGS, [ROW]))
    assert (found["type"], found["project_regex"]) == ("vine_factory", "(p.*)|(q)")
    assert (found["workers_submitted"], found["workers_to_connect"], found["workers_requested"]) == (2, 1, 1)
    assert [(m["project"], m["tasks_waiting"]) for m in found["managers"]] == [("p", 6)]
    assert found["port"] <= 0


def test_one_datagram() -> None:
    """Of very many managers only the first are listed, and it arrives."""
    data = record(SETTINGS, [ROW] * 5000)
    assert 1000 < len(data) <= MOST_BYTES
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as catalog:
        catalog.bind(("127.0.0.1", 0))
        catalog.settimeout(10)
        send("127.0.0.1", catalog.getsockname()[1], data)
        assert catalog.recv(65536) == data
