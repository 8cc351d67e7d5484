"""What one exact command used before, and when that is believed."""
from __future__ import annotations

import random

import pytest

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.records import Kind, Known, Shape
from mfmesos.estimates.category import exact
from mfmesos.estimates.estimated_needs import EstimatedNeeds
from mfmesos.estimates.estimators import Estimates
from mfmesos.estimates.learning import PER_CATEGORY
from mfmesos.estimates.own_command import MEMORY_STEP, Commands, Record

COUNT = 80


def commands() -> list[tuple[str, float]]:
    """80 trainings, alike to their category and each with a peak of its own."""
    r = random.Random(3)
    return [(f"train.py --size {i}", r.lognormvariate(5, 0.7)) for i in range(COUNT)]


def ended(command: str, peak: float, input_mb: float = 1.0, signature: str | None = None) -> Attempt:
    return Attempt(1e9, "t", "finished", signature=signature or f"0123456789ab.{exact(command)}", input_mb=input_mb,
                   measured_memory_mb=peak, measured_disk_mb=5.0, measured_cores=1.0, wall_s=10.0)


def given(needs: EstimatedNeeds, command: str, now: float, input_mb: float = 1.0) -> float:
    kind = Kind("t", "", input_mb, needs.known(command, input_mb)).rough()
    need = needs.of(Shape(None, None, None, 0.0, 0.0, 0.0, False, kind=kind), now)
    assert need.memory_mb is not None
    return need.memory_mb


@pytest.mark.parametrize("older", [0, 2 * PER_CATEGORY])
def test_the_same_commands_again_are_given_about_what_each_used(older):
    """From the first one of the second run on, and if newer attempts of the category have come in between."""
    needs = EstimatedNeeds("fill", Estimates())
    others = [ended(f"train.py --other {i}", 100.0) for i in range(older)]
    needs.remember([*(ended(c, peak) for c, peak in commands()), *others])
    needs.expect("t")
    amounts = [given(needs, c, float(i)) / max(peak, 16.0) for i, (c, peak) in enumerate(commands())]
    assert all(a >= 1.0 for a in amounts)
    assert sum(amounts) / COUNT < 1.15


def test_commands_that_do_not_repeat_themselves_are_not_believed():
    """Where a command's peaks do not predict the next one, its own record shows it, and the category decides."""
    r, needs = random.Random(5), EstimatedNeeds("fill", Estimates())
    failed = 0
    for run in range(4):
        for i, (command, _) in enumerate(commands()):
            peak = r.choice((100.0, 400.0))
            if run == 3:
                failed += given(needs, command, 1000.0 + 2 * i) < peak
            needs.learn(ended(command, peak))
    assert failed <= COUNT // 10


def test_other_inputs_are_another_task():
    """The same words on inputs of another size have no peak of their own yet."""
    known = Commands()
    known.add("d", 10.0, 100.0, 2.0)
    assert known.of("d", 10.1).memory_mb >= 100.0
    assert known.of("d", 20.0) == known.of("e", 10.0) == Known()


def test_what_an_older_version_recorded_names_no_command():
    """It is learned as before."""
    needs = EstimatedNeeds("fill", Estimates())
    needs.remember([ended("a", 100.0, signature="0123456789ab")])
    needs.expect("t")
    assert needs.known("a", 1.0) == Known()
    assert given(needs, "a", 0.0) >= 100.0


def test_peaks_are_rounded_so_that_shapes_stay_few():
    """Up by a twentieth at most; only the largest of the last three counts; the oldest commands are forgotten."""
    known = Commands(most=1000)
    r = random.Random(1)
    for i in range(3000):
        known.add(str(i), 1.0, r.uniform(100, 1000), 5.0)
    assert known.of("1999", 1.0) == Known()
    assert len({known.of(str(i), 1.0) for i in range(3000)}) < 60
    for peak in (900.0, 100.0, 101.0, 100.0):
        known.add("x", 1.0, peak, 5.0)
    assert 101.0 <= known.of("x", 1.0).memory_mb <= 101.0 * MEMORY_STEP


def test_the_margin_follows_the_record():
    """Exact repetition needs hardly any; peaks that lie up to a fifth higher one that holds them."""
    steady, loose = Record(), Record()
    for i in range(50):
        steady.add(100.0, 100.0)
        loose.add(100.0, 100.0 + i % 20)
    assert steady.best(Record(), price=4.0)[0] <= 1.05
    assert loose.best(Record(), price=4.0)[0] == 1.25
    assert Record().best(steady, price=4.0)[0] <= 1.1


def test_small_commands_share_a_shape():
    """What commands of a few MB used before makes no difference to what they are given, and none to their shape."""
    needs = EstimatedNeeds("fill", Estimates())
    needs.remember([ended(command, peak) for command, peak in (("a", 0.9), ("b", 3.0), ("c", 9.9), ("d", 11.0))])
    needs.expect("t")
    assert needs.known("a", 1.0) == needs.known("b", 1.0) == needs.known("c", 1.0)
    assert needs.known("d", 1.0).memory_mb > needs.known("a", 1.0).memory_mb
    assert needs.known("never seen", 1.0) == Known()
