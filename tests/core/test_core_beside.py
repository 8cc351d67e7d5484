"""What runs in a held claim until its planned start: packed by a bounded search."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_core_starvation import least_idle

from mfmesos.core import beside
from mfmesos.core.beside import Candidate, Place, pick
from mfmesos.core.model import Resources

ONE = Resources(1.0, 100.0, 10.0)
SECONDS = st.integers(1, 12).map(float)


def idle_of(gaps: list[float], lasts: list[float]) -> float:
    """Core-seconds that stay idle in cores that are free for the last so many seconds, asked whenever one is free."""
    left, waiting, idle = sorted(gaps), sorted(lasts), 0.0
    while left:
        now = left.pop()  # the core that is free first
        places = [Place(now, ONE, True), *(Place(gap, ONE, False) for gap in left)]
        chosen = pick(places, [Candidate(n, s, ONE, waiting.count(s)) for n, s in enumerate(sorted(set(waiting)))])
        if chosen is None:
            idle += now
            continue
        assert chosen.lasts_s <= now
        waiting.remove(chosen.lasts_s)
        if now > chosen.lasts_s:
            left = sorted([*left, now - chosen.lasts_s])
    return idle


@given(st.lists(SECONDS, max_size=3), st.lists(SECONDS, max_size=6))
def test_few_tasks_are_packed_as_well_as_possible(gaps, lasts):
    """The search ends before its limit: nothing is better."""
    assert idle_of(gaps, lasts) == pytest.approx(least_idle(gaps, lasts))


def test_the_longest_is_not_always_the_best():
    """10 seconds: 6 and 4 rather than 7 and 2."""
    tasks = [Candidate(n, s, ONE, 1) for n, s in enumerate((7.0, 6.0, 4.0, 2.0))]
    chosen = pick([Place(10.0, ONE, True)], tasks)
    assert chosen is not None
    assert chosen.lasts_s in (6.0, 4.0)


def test_only_what_fits_now_is_chosen():
    """A place that becomes free later counts, but nothing starts there yet; what is too large or too long waits."""
    large, small = Candidate(0, 5.0, Resources(2.0, 100.0, 10.0), 1), Candidate(1, 3.0, ONE, 1)
    later = Place(6.0, Resources(2.0, 200.0, 20.0), False)
    assert pick([later], [large, small]) is None
    assert pick([Place(6.0, ONE, True), later], [large, small]) == small
    assert pick([Place(2.0, ONE, True), later], [large, small]) is None


def test_a_search_is_bounded(monkeypatch):
    """However much waits in however many places: so many steps, and something is chosen all the same."""
    steps = []
    original = beside._Search._try
    monkeypatch.setattr(beside._Search, "_try", lambda self, *args: steps.append(1) or original(self, *args))
    tasks = [Candidate(n, 1.0 + n * 0.37, ONE, 1000) for n in range(60)]
    chosen = pick([Place(23.3 + n * 0.71, ONE, n < 3) for n in range(beside.MOST_PLACES)], tasks)
    assert chosen is not None
    assert len(steps) < 3 * beside.MOST_STEPS
