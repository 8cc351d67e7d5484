"""EASY backfilling: one claim is held for the first waiting task that others would overtake.

As in Lifka's EASY (1995) only the first task that cannot start has a planned start, and tasks that come later still
start in its claim if they are expected to end before, or fit into what it will leave over. Without a planned start a
large task would wait for as long as small ones keep coming. It is given up at a deadline, and may be made again in
another claim.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

from mfmesos.core import trust
from mfmesos.core.claim_table import Claim
from mfmesos.core.decisions import Decision, Hold, Refusal, Why
from mfmesos.core.holding import lasts_s, profile
from mfmesos.core.model import Resources
from mfmesos.core.records import FIRST_OF_ALL, PlannedStart, Rank, Shape, TaskRecord
from mfmesos.core.state import State
from mfmesos.core.states import ClaimState, TaskState

PATIENCE_S = 60.0
"""A planned start is given up this long, and as long as it was planned ahead, after its time."""
BLIND_S = 600.0
"""The same where no run time is known."""
MOST_CLAIMS = 32
"""That many are compared: what runs in each is looked at."""
EVERY_S = 1.0
"""Pause between two plans: tasks that need only a little more than others become the first all the time."""


class Easy:
    several = False
    packs = True
    cautious = True

    def plan(self, state: State, overtaking: TaskRecord) -> Iterator[Decision]:
        """Unless something else is coming for the first task."""
        if state.holds or state.policy.per_task_claims or state.now - state.holds.tried_at < EVERY_S:
            return
        found = aged(state) or _first(state)
        if found is None:
            return
        rank, shape, record = found
        if rank < state.queue.rank(overtaking) and not (state.claims.expected[shape] or state.has_offers):
            start = earliest(state, shape, record, rank)
            yield Hold(start) if start is not None else Refusal(record.task.id, "", Why.LARGE)


def _first(state: State) -> tuple[Rank, Shape, TaskRecord] | None:
    shape = state.waiting.first()
    record = state.queue.first(shape) if shape is not None else None
    return None if shape is None or record is None else (state.queue.rank(record), shape, record)


def aged(state: State) -> tuple[Rank, Shape, TaskRecord] | None:
    """The task that has waited for longest, and for too long: it is the first of all."""
    record = state.tasks.get(state.holds.aged or -1)
    if record is None or record.state is not TaskState.WAITING:
        return None
    shape = record.shape()
    return ((FIRST_OF_ALL, record.key, record.order), shape, record) if shape in state.waiting else None


def earliest(state: State, shape: Shape, record: TaskRecord, rank: Rank) -> PlannedStart | None:
    """In the claim that will have room first, beside all other planned starts; without known run times, in the one with
    the least work.
    """
    found: list[tuple[float, float, PlannedStart]] = []
    usual: dict[Shape, float | None] = {}
    for claim, need in islice(able(state, shape), MOST_CLAIMS):
        others = [hold for hold in state.holds.in_claim(claim.id) if hold.task_id != record.task.id]
        there, lasts = profile(state, claim, usual, others), lasts_s(state, shape)
        at = there.earliest(need, lasts)
        there.take(at, lasts, need)
        ahead = at - state.now if at < math.inf else BLIND_S
        planned = PlannedStart(rank, record.task.id, record.attempts, claim.id, at, state.now + 2 * ahead + PATIENCE_S,
                               there.free_at(at), need, lasts)
        found.append((at, claim.resources.cores - claim.free.cores, planned))
    return min(found, key=lambda item: item[:2])[2] if found else None


def able(state: State, shape: Shape) -> Iterator[tuple[Claim, Resources]]:
    """The claims that could hold such a task if they were empty, and what it would be given there."""
    for claim in state.claims.each_in(ClaimState.OPEN):
        if claim.solo_task is None and shape.at in ("", claim.id) and not trust.shunned(state, shape, claim.agent_id):
            need = state.allocation(shape, claim.resources, claim.agent_id)
            if need.fits_in(claim.resources):
                yield claim, need
