"""The wire: what a message of another version means."""
from __future__ import annotations

import json

import pytest

from mfmesos.shared import wire
from mfmesos.shared.devices import BUSY, FAULTY, MOST_DEVICES, Device, variables


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


def test_devices_are_a_state_each():
    """A sync lists the GPUs that the executor knows; an executor of the version before lists none."""
    devices = [Device("GPU-1", BUSY, "used by pid 7", "0"), Device("1", own=True)]
    assert wire.load_sync_request(wire.dumps(wire.SyncRequest(1, devices=devices))).devices == devices
    assert wire.load_sync_request(wire.dumps({"seq": 1, "protocol": wire.PROTOCOL})).devices == []


@pytest.mark.parametrize("device", [
    {"id": "0,1"}, {"id": ""}, {"id": 0}, {"id": "0\n"}, {"id": "0", "state": "gone"}, {"id": "0", "reason": 1},
    {"id": "0", "index": "a b"}, {"id": "0", "own": 1}, {"id": "0", "type": 1}, {}, "0"])
def test_what_is_no_device_is_refused(device: object):
    """Ids stand in variables of tasks with commas between them: whoever has the token can send any text."""
    for devices in ([device], [{"id": "0"}] * (MOST_DEVICES + 1)):
        with pytest.raises(wire.WireError):
            wire.load_sync_request(wire.dumps({"seq": 1, "protocol": wire.PROTOCOL, "devices": devices}))


def test_the_reason_of_a_device_is_one_plain_line():
    """It is printed."""
    device = Device("0", FAULTY, "a\n\x1b[1mb")
    assert wire.load_sync_request(wire.dumps(wire.SyncRequest(1, devices=[device]))).devices[0].reason.isprintable()


def test_ids_that_others_use_come_back():
    """With the result of an attempt that could not start."""
    raw = wire.dumps(wire.SyncRequest(1, results=[wire.Result("1.1", wire.BROKEN, busy=["GPU-1"])]))
    assert wire.load_sync_request(raw).results[0].busy == ["GPU-1"]
    with pytest.raises(wire.WireError):
        wire.load_sync_request(raw.replace(b"GPU-1", b"G,1"))


def test_given_ids_are_variables():
    """With commas between them, as CUDA reads such lists; a name's other characters are underscores."""
    assert variables({"ports": ["31000", "31001"], "my-set.1": ["a"]}) == {
        "MFMESOS_PORTS": "31000,31001", "MFMESOS_MY_SET_1": "a"}
