"""Amounts of resources as in Mesos: scalars with three decimals, ranges, and sets."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    """Unreserved resources. `milli` holds cpus, mem (MB), disk (MB), gpus ... in thousandths; never a zero, an empty
    range or an empty set.
    """

    milli: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, Ranges] = field(default_factory=dict)
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @staticmethod
    def of(ranges: Mapping[str, Ranges] | None = None, sets: Mapping[str, Iterable[str]] | None = None,
           **scalars: float) -> Amounts:
        return Amounts({k: round(v * 1000) for k, v in scalars.items() if round(v * 1000)}, dict(ranges or {}),
                       {name: frozenset(some) for name, some in (sets or {}).items()})

    @staticmethod
    def from_json(resources: Iterable[Json]) -> Amounts:
        """From a list of Mesos's Resource; KeyError, TypeError or ValueError if invalid."""
        milli: dict[str, int] = {}
        ranges: dict[str, list[tuple[int, int]]] = {}
        sets: dict[str, frozenset[str]] = {}
        for resource in resources:
            name, kind = str(resource["name"]), resource["type"]
            if kind == "SCALAR":
                value = round(float(resource["scalar"]["value"]) * 1000)
                if value < 0:
                    raise ValueError(f"Invalid scalar resource {name}: value < 0")
                milli[name] = milli.get(name, 0) + value
            elif kind == "RANGES":
                ranges.setdefault(name, []).extend(
                    (int(r["begin"]), int(r["end"])) for r in resource["ranges"]["range"])
            elif kind == "SET":
                sets[name] = sets.get(name, frozenset()) | frozenset(map(str, resource["set"]["item"]))
            else:
                raise ValueError(f"Unsupported resource {name}")
        return Amounts({k: v for k, v in milli.items() if v}, {k: _merge(v) for k, v in ranges.items() if v},
                       {k: v for k, v in sets.items() if v})

    def to_json(self, role: str | None = None) -> list[Json]:
        """As a list of Mesos's Resource; allocated to `role` if given."""
        more: Json = {"role": "*", **({} if role is None else {"allocation_info": {"role": role}})}
        found: list[Json] = []
        for name, some in self.ranges.items():
            ranges = {"range": [{"begin": b, "end": e} for b, e in some]}
            found.append({"name": name, "type": "RANGES", "ranges": ranges, **more})
        for name, items in self.sets.items():
            found.append({"name": name, "type": "SET", "set": {"item": sorted(items)}, **more})
        for name in sorted(self.milli, key=_order):
            found.append({"name": name, "type": "SCALAR", "scalar": {"value": self.milli[name] / 1000}, **more})
        return found

    def view(self) -> Json:
        """In the format of /state and /slaves."""
        shown: Json = {name: self.get(name) for name in ("disk", "mem", "gpus", "cpus", *self.milli)}
        return {**shown, **dict(self._by_id())}

    def get(self, name: str) -> float:
        return self.milli.get(name, 0) / 1000

    def contains(self, other: Amounts) -> bool:
        return (all(self.milli.get(k, 0) >= v for k, v in other.milli.items())
                and not any(_without(some, self.ranges.get(name, ())) for name, some in other.ranges.items())
                and all(items <= self.sets.get(name, frozenset()) for name, items in other.sets.items()))

    def __add__(self, other: Amounts) -> Amounts:
        milli, ranges, sets = dict(self.milli), dict(self.ranges), dict(self.sets)
        for name, value in other.milli.items():
            milli[name] = milli.get(name, 0) + value
        for name, some in other.ranges.items():
            ranges[name] = _merge((*ranges.get(name, ()), *some))
        for name, items in other.sets.items():
            sets[name] = sets.get(name, frozenset()) | items
        return Amounts(milli, ranges, sets)

    def __sub__(self, other: Amounts) -> Amounts:
        milli = dict(self.milli)
        for name, value in other.milli.items():
            milli[name] = milli.get(name, 0) - value
        ranges = {name: _without(some, other.ranges.get(name, ())) for name, some in self.ranges.items()}
        sets = {name: items - other.sets.get(name, frozenset()) for name, items in self.sets.items()}
        return Amounts({k: v for k, v in milli.items() if v > 0}, {k: v for k, v in ranges.items() if v},
                       {k: v for k, v in sets.items() if v})

    def __bool__(self) -> bool:
        return bool(self.milli or self.ranges or self.sets)

    def _by_id(self) -> Iterator[tuple[str, str]]:
        """What is no scalar, by name, in Mesos's words."""
        for name, some in self.ranges.items():
            yield name, "[" + ", ".join(f"{b}-{e}" for b, e in some) + "]"
        for name, items in self.sets.items():
            yield name, "{" + ", ".join(sorted(items)) + "}"

    def text(self, role: str | None = None) -> str:
        """In the format of Mesos's messages: "cpus(allocated: *):0.5; mem(allocated: *):64"."""
        note = f"(allocated: {role})" if role else ""
        parts = [f"{name}{note}:{shown}" for name, shown in self._by_id()]
        return "; ".join(parts + [f"{k}{note}:{v / 1000:g}" for k, v in self.milli.items()])


def total(amounts: Iterable[Amounts]) -> Amounts:
    found = Amounts()
    for one in amounts:
        found = found + one
    return found
