"""The JSON of an ACCEPT that opens a claim: its tasks, their executor, and their parts of the offers. Pure."""
from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from mfmesos.core.actions import OpenClaim
from mfmesos.core.model import Ids, Resources
from mfmesos.mesos.translate import FIELDS, amount, ranges, reserved_first, usable
from mfmesos.shared.messages import mesos as m
from mfmesos.shared.slices import slice_id

_PRECISION = 0.001
"""Mesos counts in thousandths."""


class Pool:
    """The resources of offers; `take` removes a part in Mesos's format, with role, reservations and allocation."""

    def __init__(self, raw: list[Any], role: str) -> None:
        ours = sorted((r for r in raw if usable(r, role)), key=reserved_first)
        self._left: list[list[Any]] = [[dict(r), amount(r)] for r in ours if "scalar" in r]
        self._by_id = [dict(r) for r in ours if "scalar" not in r]

    def take(self, wanted: Resources, ids: Ids = ()) -> list[dict[str, Any]]:
        """Raises ValueError if the offers do not hold as much, or not these ids."""
        named = {name for name, _ in ids}
        amounts = [*((name, wanted.of(field)) for name, field in FIELDS.items()),
                   *((name, amount) for name, amount in wanted.others if name not in named)]
        pieces = [piece for name, amount in amounts for piece in self._take(name, amount)]
        return pieces + [piece for name, some in ids for piece in self._take_ids(name, some)]

    def _take_ids(self, name: str, wanted: Sequence[str]) -> list[dict[str, Any]]:
        """A piece of each resource of the name that has some of them, each id once."""
        missing, pieces = set(wanted), []
        for resource in self._by_id:
            if resource["name"] != name:
                continue
            listed = resource.get("set", {}).get("item", ())
            mine = [one for one in wanted if one in missing and (
                one in listed or any(first <= int(one) <= last for first, last in ranges(resource)))]
            if mine:
                missing -= set(mine)
                some = {"set": {"item": mine}} if listed else {"ranges": {"range": [
                    {"begin": first, "end": last} for first, last in _runs(sorted(map(int, mine)))]}}
                pieces.append({**resource, **some})
        if missing:
            raise ValueError(m.OFFERS_TOO_SMALL(amount=len(missing), name=name))
        return pieces

    def _take(self, name: str, wanted: float) -> list[dict[str, Any]]:
        missing, pieces = round(wanted, 3), []
        for item in self._left:
            resource, left = item
            share = round(min(missing, left), 3)
            if resource["name"] == name and share >= _PRECISION:
                pieces.append({**resource, "scalar": {"value": share}})
                item[1] = round(left - share, 3)
                missing = round(missing - share, 3)
        if missing > _PRECISION:
            raise ValueError(m.OFFERS_TOO_SMALL(amount=missing, name=name))
        return pieces


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """The first and the last of each row of consecutive numbers."""
    found: list[tuple[int, int]] = []
    for one in numbers:
        if found and one == found[-1][1] + 1:
            found[-1] = (found[-1][0], one)
        else:
            found.append((one, one))
    return found


def _duration(seconds: float) -> dict[str, int]:
    return {"nanoseconds": int(seconds * 1e9)}


def mesos_labels(labels: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Mesos's Labels."""
    return {"labels": [{"key": key, "value": value} for key, value in labels]}


def accept(action: OpenClaim, *, role: str, user: str, framework_id: str, command: str, archive_uri: str, data: bytes,
           task_name: str, grace_s: float, labels: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """The `accept` of an ACCEPT call. `grace_s` is the time in which the claim ends itself after KILL or SHUTDOWN.

    The claim's id is the id of the task and of the executor; each slice is one more task of that executor. Mesos's
    fetcher downloads `archive_uri`, if given. Raises ValueError if the offers do not hold the claim's resources.
    """
    pool = Pool([r for offer in action.offers for r in offer.raw_resources], role)
    run: dict[str, Any] = {
        "value": command, "shell": True,
        **({"uris": [{"value": archive_uri, "extract": True, "cache": True}]} if archive_uri else {})}
    if user:
        run["user"] = user
    executor = {
        "type": "CUSTOM", "executor_id": {"value": action.claim_id}, "framework_id": {"value": framework_id},
        "name": task_name, "source": "mfmesos", "command": run,
        # Memory only: a task that requests every core of an agent must fit beside its executor.
        "resources": pool.take(Resources(memory_mb=action.executor_memory_mb)),
        "shutdown_grace_period": _duration(grace_s)}
    shared = {"name": task_name, "agent_id": {"value": action.agent_id}, "executor": executor,
              "kill_policy": {"grace_period": _duration(grace_s)},
              **({"labels": mesos_labels(labels)} if labels else {})}
    rest = sum(action.slices, Resources())
    task = {**shared, "task_id": {"value": action.claim_id},
            "resources": pool.take(action.resources - rest, action.ids),
            "data": b64encode(data).decode("ascii")}
    slices = [{**shared, "task_id": {"value": slice_id(action.claim_id, number)}, "resources": pool.take(part)}
              for number, part in enumerate(action.slices, 1)]
    return {"offer_ids": [{"value": offer.id} for offer in action.offers],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task, *slices]}}],
            # Resources of the offers beyond the claim come back at once.
            "filters": {"refuse_seconds": 0.0}}
