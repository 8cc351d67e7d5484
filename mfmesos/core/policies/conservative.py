"""Conservative backfilling: every task that cannot start has a planned start, which no later task delays.

As in Mu'alem and Feitelson (2001), but bounded: at most MOST_HOLDS tasks have one, the first ones, and planned starts
are made only when another task would overtake. So with EASY a task may be overtaken again and again until it is the
first; here each of the first tasks knows when it starts at the latest, as far as run times are as predicted.
"""
from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile

from mfmesos.core.decisions import Decision, Hold, Refusal, Why
from mfmesos.core.holds import MOST_HOLDS
from mfmesos.core.policies.easy import aged, earliest
from mfmesos.core.records import FIRST_OF_ALL, Rank, Shape, TaskRecord
from mfmesos.core.state import State


class Conservative:
    several = True
    packs = False
    cautious = True

    def plan(self, state: State, overtaking: TaskRecord) -> Iterator[Decision]:
        """For each of the first tasks before `overtaking`, unless something else is coming for it."""
        if state.policy.per_task_claims or state.has_offers:
            return
        old = aged(state)
        if old is not None and state.holds.may_try(state.now):
            hold = state.holds.of_task(old[2].task.id)
            if hold is None or hold.rank[0] > FIRST_OF_ALL:
                yield _planned(state, *old)
        if not state.holds.may_add(state.now):
            return
        for rank, shape, record in _first_ones(state, state.queue.rank(overtaking)):
            if state.holds.of_task(record.task.id) is None and not state.claims.expected[shape]:
                yield _planned(state, rank, shape, record)
                if not state.holds.may_add(state.now):
                    return


def _planned(state: State, rank: Rank, shape: Shape, record: TaskRecord) -> Decision:
    start = earliest(state, shape, record, rank)
    return Hold(start) if start is not None else Refusal(record.task.id, "", Why.LARGE)


def _first_ones(state: State, limit: Rank) -> list[tuple[Rank, Shape, TaskRecord]]:
    """Those of the first waiting tasks that come before that rank."""
    earlier = takewhile(lambda shape: state.waiting.rank_of(shape) < limit, state.waiting.by_rank())
    ranked = [(rank, shape, record) for shape in islice(earlier, MOST_HOLDS)
              for record in state.queue.head(shape, MOST_HOLDS) if (rank := state.queue.rank(record)) < limit]
    return sorted(ranked, key=lambda one: one[0])[:MOST_HOLDS]

