"""What is given out by id: GPUs and the items of Mesos's sets and ranges. Standard library only, Python 3.8 or newer.

An attempt gets ids by the name of their resource (wire.Run.given). A GPU's key is "gpus"; its id is its UUID where the
agent or its executor knows that, otherwise its number on the agent, in the order of the PCI bus.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from mfmesos.shared.phrases import printable
from mfmesos.shared.wire_checks import check, fields_of, plain_text

GPUS = "gpus"
"""The key of GPUs."""
MOST_DEVICES = 256
"""In one sync."""
FREE = "free"
BUSY = "busy"  # somebody else uses it, for example another run
QUARANTINED = "quarantined"  # memory or processes of an earlier task are still on it
FAULTY = "failed"  # it reports errors
STATES = (FREE, BUSY, QUARANTINED, FAULTY)
_ID = re.compile(r"[A-Za-z0-9][\w.:/-]{0,99}", re.ASCII)
_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9]")


@dataclass
class Device:
    """A GPU of the agent, as an executor of it sees it."""

    id: str
    state: str = FREE
    """While it is not `free`, the scheduler gives it to no task of this claim."""
    reason: str = ""
    """One plain line for the user."""
    index: str = ""
    """Its number on the agent, where `id` is its UUID: the scheduler may have given it out by its number before."""
    type: str = ""
    """As its maker names it: "NVIDIA A100-SXM4-40GB"."""
    own: bool = False
    """Whether the agent isolates it for this claim alone: then the claim has no other GPUs than such ones."""


def is_device_id(value: Any) -> bool:
    """Whether it may be the id of a device or of an item: printed, and put in variables with commas between them."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def load_device(data: Any) -> Device:
    """From decoded JSON, every field checked; raises WireError."""
    device: Device = fields_of(Device, data, "device")
    check(is_device_id(device.id), "device", "id is not one")
    check(device.state in STATES, "device", "unknown state")
    check(isinstance(device.reason, str), "device", "reason is text")
    check(device.index == "" or is_device_id(device.index), "device", "index is not one")
    check(isinstance(device.type, str), "device", "type is text")
    check(isinstance(device.own, bool), "device", "own is true or false")
    device.reason = printable(plain_text(device.reason), 200, instead=" ")
    device.type = printable(plain_text(device.type), 100, instead=" ")
    return device


def variables(given: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What the environment of a task says of its ids: MFMESOS_PORTS=31000,31001."""
    return {variable(name): ",".join(ids) for name, ids in given.items()}


def variable(name: str) -> str:
    """Of the resource of that name."""
    return "MFMESOS_" + _NOT_IN_VARIABLES.sub("_", name.upper())
