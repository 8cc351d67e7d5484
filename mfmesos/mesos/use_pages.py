"""What the master's page /roles and its metrics show of the use of the cluster. Pure."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from mfmesos.core.model import Resources, Rival, RoleUse
from mfmesos.mesos import translate

FRAMEWORKS = "master/frameworks/"
"""Metrics of a framework: this, its name, its id and the metric, with a slash between each two; name and role are
percent-encoded."""


class Roles(NamedTuple):
    """The content of /roles."""

    use: tuple[RoleUse, ...]
    members: frozenset[str]
    """Ids of the connected frameworks."""

    def others(self, own_id: str) -> bool:
        return bool(self.members - {own_id})


def roles(page: Mapping[str, Any], own_role: str) -> Roles:
    """Of the master's /roles."""
    found = page["roles"]
    return Roles(
        tuple(RoleUse(str(r["name"]), float(r.get("weight", 1.0)), translate.resources(r.get("resources", {})),
                      r["name"] == own_role) for r in found),
        frozenset(str(i) for r in found for i in r.get("frameworks", ())))


def of_call(answer: Mapping[str, Any]) -> dict[str, float]:
    """The metrics in the answer to GET_METRICS, as /metrics/snapshot shows them."""
    return {str(one["name"]): float(one.get("value", 0.0)) for one in answer["get_metrics"]["metrics"]}


def total(metrics: Mapping[str, Any]) -> Resources:
    """Of all agents."""
    return translate.resources({name: metrics.get(f"master/{name}_total", 0.0) for name in translate.FIELDS})


def rivals(metrics: Mapping[str, Any], own_id: str) -> tuple[Rival, ...] | None:
    """The other frameworks that are connected; None if the master shows no framework, its flag
    --publish_per_framework_metrics being off.
    """
    by_framework: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in metrics.items():
        if name.startswith(FRAMEWORKS):
            called, framework_id, metric = name[len(FRAMEWORKS):].split("/", 2)
            by_framework.setdefault((framework_id, called), {})[metric] = float(value)
    if not by_framework:
        return None
    return tuple(rival for (i, called), of in by_framework.items() if i != own_id and of.get("subscribed")
                 for rival in _in_roles(i, called.startswith("mfmesos"), of))


def _in_roles(framework_id: str, modest: bool, of: Mapping[str, float]) -> Iterator[Rival]:
    busy = any(value for metric, value in of.items() if metric.startswith("tasks/active/"))
    for metric, suppressed in of.items():
        if metric.startswith("roles/") and metric.endswith("/suppressed"):
            yield Rival(framework_id, unquote(metric[len("roles/"):-len("/suppressed")]), not suppressed, busy,
                        int(of.get("offers/accepted", 0)), int(of.get("offers/declined", 0)), modest)
