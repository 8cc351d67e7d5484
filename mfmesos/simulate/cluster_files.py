"""Clusters from JSON files; docs/simulate.md describes them."""
from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from mfmesos.core.model import Resources
from mfmesos.shared.bounds import AMOUNT, BOUND, COUNT, SECONDS, SOME
from mfmesos.shared.messages import simulate as m
from mfmesos.shared.resources import named
from mfmesos.simulate.checked_json import Checked, find, load
from mfmesos.simulate.cluster_model import AgentGroup, Cluster, Costs, Losses, Rival

MANNERS = {
    "polite": Rival("", suppresses=True),
    "greedy": Rival("", suppresses=False),
    "hoarding": Rival("", keep_s=60.0, suppresses=False),
    "slow": Rival("", answer_s=30.0, suppresses=False),
    "single": Rival("", per_agent=1, suppresses=False),
}
"""What other frameworks are like, unless their keys say otherwise."""


def load_cluster(name: str) -> Cluster:
    """From a file, or one that comes with mfmesos. Raises ConfigError."""
    path = find(name, "cluster")
    data = Checked(str(path), load(path))
    groups = tuple(_group(part) for part in data.parts("agents"))
    if not groups:
        data.wrong("agents", [], m.WANT_AGENTS())
    costs = _times(data.part("costs"), Costs)
    made = Cluster(
        path.stem, groups, costs, _times(data.part("losses"), Losses), tuple(sorted(data.amounts("weights").items())),
        tuple(_rival(part, costs) for part in data.parts("others", [])))
    data.text("about", "")
    data.finish()
    for role, weight in made.weights:
        if weight <= 0:
            data.wrong(f"weights.{role}", weight, BOUND)
    return made


def _group(data: Checked) -> AgentGroup:
    made = AgentGroup(int(data.number("count", 1, SOME)), _size(data, Resources(disk_mb=100_000.0)))
    data.finish()
    return made


def _size(data: Checked, default: Resources) -> Resources:
    return Resources(
        data.number("cores", default.cores or None, BOUND), data.number("memory_mb", default.memory_mb or None, BOUND),
        data.number("disk_mb", default.disk_mb), data.number("gpus", 0.0), named(data.amounts("others")))


Times = TypeVar("Times", Costs, Losses)


def _times(data: Checked, kind: type[Times]) -> Times:
    """Seconds, by the names of the fields."""
    found: dict[str, Any] = {
        f.name: data.number(f.name, f.default, SECONDS) for f in fields(kind) if isinstance(f.default, float)}
    data.finish()
    return kind(**found)


def _rival(data: Checked, costs: Costs) -> Rival:
    manner = MANNERS[data.text("manner", "polite", sorted(MANNERS))]
    made = Rival(
        data.text("name"), int(data.number("tasks", 0, COUNT)), _size(data, manner.size),
        data.number("seconds", manner.seconds, BOUND), data.number("at_s", 0.0, SECONDS), data.text("role", "*"),
        data.number("answer_s", manner.answer_s, SECONDS), data.number("keep_s", manner.keep_s, SECONDS),
        data.number("refuse_s", manner.refuse_s, SECONDS), data.flag("suppresses", manner.suppresses),
        int(data.number("per_agent", manner.per_agent, COUNT)), data.number("arrivals_per_s", 0.0, AMOUNT),
        data.number("start_s", costs.start_s, SECONDS))
    data.finish()
    return made
