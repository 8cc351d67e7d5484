"""What estimates learn from an attempt, by how it ended."""
from __future__ import annotations

from dataclasses import replace

import pytest

from mfmesos.core.attempt_record import Attempt
from mfmesos.estimates.category_history import UNRESOLVED
from mfmesos.estimates.estimators import Estimates
from mfmesos.estimates.learning import learn

ONE = Attempt(0.0, "sim", "finished", measured_memory_mb=100.0, measured_disk_mb=7.0, measured_cores=2.0, wall_s=5.0,
              allocated_memory_mb=300.0, allocated_disk_mb=50.0)


def learned(*attempts: Attempt) -> Estimates:
    estimates = Estimates()
    for attempt in attempts:
        learn(estimates, attempt)
    return estimates


def test_what_finished_tells_its_need():
    """Of every resource that was measured."""
    known = learned(ONE)
    assert [e.recent("sim") for e in (known.memory, known.disk, known.cores, known.wall)] == [
        [100.0], [7.0], [2.0], [5.0]]


def test_what_was_not_measured_is_not_learned():
    """No memory of 0 MB, and no cores of a run too short to measure."""
    known = learned(replace(ONE, measured_memory_mb=0.0, measured_disk_mb=None, wall_s=0.5))
    assert [e.recent("sim") for e in (known.memory, known.disk, known.cores)] == [[], [], []]
    assert known.wall.recent("sim") == [0.5]


@pytest.mark.parametrize("outcome", ["failed", "killed", "broken", "exhausted:wall", "exhausted:cores"])
def test_the_rest_tells_nothing(outcome):
    """Neither a need nor that more is needed."""
    known = learned(replace(ONE, outcome=outcome))
    assert not known.memory.categories()
    assert not known.disk.categories()


def test_an_exhausted_attempt_tells_that_more_is_needed():
    """Of that resource alone; the task's peak is taken to be larger than what it had."""
    known = learned(ONE, replace(ONE, outcome="exhausted:memory"))
    assert known.memory.recent("sim") == [100.0, pytest.approx(300.0 * UNRESOLVED)]
    assert known.disk.recent("sim") == [7.0]
    known = learned(ONE, replace(ONE, outcome="exhausted:disk"))
    assert known.disk.recent("sim") == [7.0, pytest.approx(50.0 * UNRESOLVED)]
    assert known.memory.recent("sim") == [100.0]


@pytest.mark.parametrize("allocated", [None, 50.0])
def test_without_a_limit_of_its_own_the_use_counts(allocated):
    """One that was ended for the sake of others had used more than it was given, or was given nothing known."""
    known = learned(replace(ONE, outcome="exhausted:memory", allocated_memory_mb=allocated, measured_memory_mb=400.0))
    assert known.memory.recent("sim") == [pytest.approx(400.0 * UNRESOLVED)]


def test_one_of_which_no_amount_is_known():
    """Tells nothing."""
    bare = Attempt(0.0, "sim", "exhausted:memory")
    assert not learned(bare).memory.categories()
