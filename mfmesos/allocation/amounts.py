"""Amounts of resources as in Mesos: scalars with three decimals, and ranges of ports."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Ranges = tuple[tuple[int, int], ...]


def _merge(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def _without(ranges: Ranges, taken: Ranges) -> Ranges:
    left = list(ranges)
    for begin, end in taken:
        cut: list[tuple[int, int]] = []
        for b, e in left:
            if e < begin or b > end:
                cut.append((b, e))
                continue
            if b < begin:
                cut.append((b, begin - 1))
            if e > end:
                cut.append((end + 1, e))
        left = cut
    return tuple(left)


def _order(name: str) -> tuple[int, str]:
    known = ("cpus", "mem", "disk", "gpus")
    return (known.index(name) if name in known else len(known), name)


@dataclass(frozen=True)
class Amounts:
    """Unreserved resources. `milli` holds cpus, mem (MB), disk (MB), gpus ... in thousandths; never a zero."""

    milli: Mapping[str, int] = field(default_factory=dict)
    ports: Ranges = ()

    @staticmethod
    def of(ports: Ranges = (), **scalars: float) -> Amounts:
        return Amounts({k: round(v * 1000) for k, v in scalars.items() if round(v * 1000)}, ports)

    @staticmethod
    def from_json(resources: Iterable[Json]) -> Amounts:
        """From a list of Mesos's Resource; KeyError, TypeError or ValueError if invalid."""
        milli: dict[str, int] = {}
        ports: list[tuple[int, int]] = []
        for resource in resources:
            name = str(resource["name"])
            if resource["type"] == "SCALAR":
                value = round(float(resource["scalar"]["value"]) * 1000)
                if value < 0:
                    raise ValueError(f"Invalid scalar resource {name}: value < 0")
                milli[name] = milli.get(name, 0) + value
            elif name == "ports":
                ports += [(int(r["begin"]), int(r["end"])) for r in resource["ranges"]["range"]]
            else:
                raise ValueError(f"Unsupported resource {name}")
        return Amounts({k: v for k, v in milli.items() if v}, _merge(ports))

    def to_json(self, role: str | None = None) -> list[Json]:
        """As a list of Mesos's Resource; allocated to `role` if given."""
        allocated: Json = {} if role is None else {"allocation_info": {"role": role}}
        found: list[Json] = []
        if self.ports:
            ranges = {"range": [{"begin": b, "end": e} for b, e in self.ports]}
            found.append({"name": "ports", "type": "RANGES", "ranges": ranges, "role": "*", **allocated})
        for name in sorted(self.milli, key=_order):
            found.append({"name": name, "type": "SCALAR", "scalar": {"value": self.milli[name] / 1000},
                          "role": "*", **allocated})
        return found

    def view(self) -> Json:
        """In the format of /state and /slaves."""
        shown: Json = {name: self.get(name) for name in ("disk", "mem", "gpus", "cpus", *self.milli)}
        if self.ports:
            shown["ports"] = self._ports_text()
        return shown

    def get(self, name: str) -> float:
        return self.milli.get(name, 0) / 1000

    def contains(self, other: Amounts) -> bool:
        return (all(self.milli.get(k, 0) >= v for k, v in other.milli.items())
                and not _without(other.ports, self.ports))

    def __add__(self, other: Amounts) -> Amounts:
        milli = dict(self.milli)
        for name, value in other.milli.items():
            milli[name] = milli.get(name, 0) + value
        return Amounts(milli, _merge((*self.ports, *other.ports)))

    def __sub__(self, other: Amounts) -> Amounts:
        milli = dict(self.milli)
        for name, value in other.milli.items():
            milli[name] = milli.get(name, 0) - value
        return Amounts({k: v for k, v in milli.items() if v > 0}, _without(self.ports, other.ports))

    def __bool__(self) -> bool:
        return bool(self.milli or self.ports)

    def _ports_text(self) -> str:
        return "[" + ", ".join(f"{b}-{e}" for b, e in self.ports) + "]"

    def text(self, role: str | None = None) -> str:
        """In the format of Mesos's messages: "cpus(allocated: *):0.5; mem(allocated: *):64"."""
        note = f"(allocated: {role})" if role else ""
        parts = [f"ports{note}:{self._ports_text()}"] if self.ports else []
        return "; ".join(parts + [f"{k}{note}:{v / 1000:g}" for k, v in self.milli.items()])


def total(amounts: Iterable[Amounts]) -> Amounts:
    found = Amounts()
    for one in amounts:
        found = found + one
    return found
