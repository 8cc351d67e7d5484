"""Translates Mesos's JSON to the core's values and events. Pure."""
from __future__ import annotations

import re
from typing import Any, Mapping

from mfmesos.core import events
from mfmesos.core.model import Agent, Holder, Offer, Pieces, Resources
from mfmesos.shared.devices import is_device_id
from mfmesos.shared.phrases import printable
from mfmesos.shared.resources import RESERVED_NAMES, is_name, named

FIELDS = {"cpus": "cores", "mem": "memory_mb", "disk": "disk_mb", "gpus": "gpus"}
"""Mesos's names of the resources that have a place of their own, and the core's names."""
_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
REVOCABLE = "_revocable"
"""How the master's pages end the names of resources that may be taken back."""
MOST_NAME = 60


def usable(resource: Mapping[str, Any], role: str) -> bool:
    """Whether a task of `role` may use the resource: unreserved or reserved for the role, not revocable, not a
    volume.
    """
    by_id = resource.get("name") not in FIELDS and resource.get("type") in ("SET", "RANGES")
    return (_is_ours(resource.get("name")) and (resource.get("type", "SCALAR") == "SCALAR" or by_id)
            and not any(key in resource for key in ("revocable", "shared", "disk", "provider_id"))
            and reserved_for(resource) in ("*", role))


def _is_ours(name: Any) -> bool:
    """Whether it may name a resource: an agent's own names are printed and passed on."""
    return isinstance(name, str) and is_name(name) and name not in RESERVED_NAMES


def reserved_for(resource: Mapping[str, Any]) -> str:
    """The role for which the resource is reserved, "*" for none; in the formats of Mesos before and since 1.4."""
    reservations = resource.get("reservations")
    if reservations:
        return str(reservations[-1].get("role", "*"))
    return str(resource.get("role", "*"))


def amount(resource: Mapping[str, Any]) -> float:
    """Of a set or a range the number of its items."""
    if "scalar" in resource:
        return float(resource["scalar"].get("value", 0.0))
    return float(len(set_items(resource)) + sum(last - first + 1 for first, last in ranges(resource)))


def set_items(resource: Mapping[str, Any]) -> list[str]:
    """Those that can be given out: they are printed, and put in variables."""
    return sorted(filter(is_device_id, resource.get("set", {}).get("item", ())))


def ranges(resource: Mapping[str, Any]) -> list[tuple[int, int]]:
    return [(int(one["begin"]), int(one["end"])) for one in resource.get("ranges", {}).get("range", ())]


def reserved_first(resource: Mapping[str, Any]) -> bool:
    """The key of an order: no other role can use what is reserved for this one, so it is used first."""
    return reserved_for(resource) == "*"


def items(resources: list[dict[str, Any]], role: str) -> Pieces:
    """What of the resources is given out by id."""
    found: dict[str, list[str | tuple[int, int]]] = {}
    for resource in sorted((r for r in resources if r.get("type") != "SCALAR" and usable(r, role)), key=reserved_first):
        some = found.setdefault(resource["name"], [])
        some += set_items(resource)
        some += ranges(resource)
    return tuple((name, tuple(some)) for name, some in found.items())


def sum_usable(resources: list[dict[str, Any]], role: str) -> Resources:
    """The part of the resources that a task of `role` could use."""
    total: dict[str, float] = {}
    for resource in resources:
        if usable(resource, role):
            total[resource["name"]] = total.get(resource["name"], 0.0) + amount(resource)
    return _by_name({name: round(value, 3) for name, value in total.items()})


def offer(data: Mapping[str, Any], role: str) -> Offer:
    raw = data.get("resources", [])
    unavailable = data.get("unavailability")
    return Offer(
        id=data["id"]["value"], agent_id=data["agent_id"]["value"], hostname=data.get("hostname", ""),
        resources=sum_usable(raw, role), attributes={a["name"]: _attribute(a) for a in data.get("attributes", [])},
        unavailable_from=seconds(unavailable["start"]) if unavailable else None, raw_resources=tuple(raw),
        items=items(raw, role))


def _attribute(data: Mapping[str, Any]) -> str:
    if "text" in data:
        return str(data["text"].get("value", ""))
    if "scalar" in data:
        return f"{float(data['scalar'].get('value', 0.0)):g}"
    if "ranges" in data:
        return ",".join(f"{r['begin']}-{r['end']}" for r in data["ranges"].get("range", []))
    return ",".join(data.get("set", {}).get("item", []))


def seconds(time_info: Mapping[str, Any]) -> float:
    return float(time_info["nanoseconds"]) / 1e9


def inverse_offer(data: Mapping[str, Any]) -> events.InverseOfferReceived:
    agent = data.get("agent_id")
    return events.InverseOfferReceived(
        data["id"]["value"], agent["value"] if agent else None, seconds(data["unavailability"]["start"]))


def update(status: Mapping[str, Any]) -> events.ClaimUpdated:
    agent = status.get("agent_id")
    return events.ClaimUpdated(
        claim_id=status["task_id"]["value"], state=status["state"], reason=status.get("reason", ""),
        message=status.get("message", ""), agent_id=agent["value"] if agent else None, uuid=status.get("uuid"),
        source=status.get("source", ""))


def failure(data: Mapping[str, Any]) -> events.ExecutorExited | events.AgentFailed:
    agent_id = data["agent_id"]["value"]
    if "executor_id" in data:
        return events.ExecutorExited(data["executor_id"]["value"], agent_id, int(data.get("status", 0)))
    return events.AgentFailed(agent_id)


def agent(data: Mapping[str, Any], role: str) -> Agent:
    """One agent of the master's /slaves: the resources that this role could ever be offered."""
    reserved = data.get("reserved_resources", {})
    others = tuple((name, resources(kept)) for name, kept in sorted(reserved.items()) if name not in (role, "*"))
    return Agent(
        id=data["id"], hostname=data.get("hostname", ""),
        resources=resources(data.get("unreserved_resources", data.get("resources", {})))
        + resources(reserved.get(role, {})),
        active=bool(data.get("active", True)), used=resources(data.get("used_resources", {})), reserved=others,
        attributes={name: f"{value:g}" if isinstance(value, float) else str(value)
                    for name, value in data.get("attributes", {}).items()})


def agents(data: Mapping[str, Any], role: str) -> tuple[Agent, ...]:
    """The agents of the master's /slaves. Agents that a new master has not heard from yet are inactive, with their
    known data.
    """
    away = ({**found, "active": False} for found in data.get("recovered_slaves", ()))
    return tuple(agent(found, role) for found in (*data["slaves"], *away))


def holders(data: Mapping[str, Any], own_id: str) -> tuple[Holder, ...]:
    """The frameworks in the master's /state-summary."""
    return tuple(_holder(found, found["id"] == own_id) for found in data["frameworks"])


def _holder(found: Mapping[str, Any], own: bool) -> Holder:
    held = resources(found.get("used_resources", {}))
    if not own:  # resources offered to this framework are about to return
        held = held + resources(found.get("offered_resources", {}))
    return Holder(found["id"], plain_name(str(found.get("name", ""))) or found["id"], held,
                  active=bool(found.get("active", True)), own=own)


def plain_name(name: str) -> str:
    """A foreign name, made safe for a terminal."""
    return printable(name, MOST_NAME, instead=" ").strip()


def resources(data: Mapping[str, Any]) -> Resources:
    """Amounts by Mesos's names, without revocable ones; of sets and ranges the number of items."""
    return _by_name({name: _counted(value) for name, value in data.items()
                     if _is_ours(name) and not name.endswith(REVOCABLE)})


def _counted(value: Any) -> float:
    """Of a number, of "[31000-31005, 31010-31010]" or of "{a, b}", as the master's pages show them."""
    if isinstance(value, (int, float)):
        return float(value)
    if not isinstance(value, str):
        return 0.0
    if value.startswith("{"):
        return float(sum(1 for one in value.strip("{}").split(",") if one.strip()))
    return float(sum(int(last) - int(first) + 1 for first, last in _RANGE.findall(value)))


def _by_name(amounts: dict[str, float]) -> Resources:
    """From amounts by Mesos's names."""
    known = {ours: amounts.pop(theirs, 0.0) for theirs, ours in FIELDS.items()}
    return Resources(**known, others=named(amounts))
