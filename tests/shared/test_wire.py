"""The wire: what a message of another version means."""
from __future__ import annotations

import json

from mfmesos.shared import wire


def test_a_sync_names_its_protocol():
    """An executor of this version says so without being told to."""
    request = wire.load_sync_request(wire.dumps(wire.SyncRequest(3, running=["1.1"])))
    assert (request.protocol, request.running) == (wire.PROTOCOL, ["1.1"])


def test_a_sync_of_another_protocol_is_not_interpreted():
    """What is in it may mean something else: no more is read than its numbers, so it is no error either. An executor of
    protocol 1 names none."""
    old = {"seq": 7, "got": 2, "running": ["1.1"], "results": [{"attempt": "2.1", "ended": "well"}], "more": 1}
    assert wire.load_sync_request(json.dumps(old).encode()) == wire.SyncRequest(7, 2, protocol=1)
    new = {**old, "protocol": wire.PROTOCOL + 1, "running": {"1": {"parts": 3}}}
    assert wire.load_sync_request(json.dumps(new).encode()) == wire.SyncRequest(7, 2, protocol=wire.PROTOCOL + 1)
