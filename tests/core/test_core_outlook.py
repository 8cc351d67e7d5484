"""How long it will still take, from what tasks of a category took before."""
from __future__ import annotations

import pytest
from test_core_needs import past, runs, task, world_of

from mfmesos.core import events as ev


def test_the_time_left_follows_from_the_usual_run_time():
    """Forty tasks of ten seconds and one core, eight at a time: fifty seconds, then less as time passes."""
    world = world_of("fill", *(task(i, cores=1.0) for i in range(1, 41)), history=past(wall_s=10.0))
    assert len(runs(world)) == 8
    assert world.core.seconds_left() == pytest.approx(50, rel=0.1)
    world.pass_time(5.0)
    assert world.core.seconds_left() == pytest.approx(45, rel=0.1)


def test_a_long_task_is_not_averaged_away():
    """One that takes an hour is not over sooner because others are short."""
    world = world_of("fill", task(1, "long"), history=past("long", wall_s=3600.0))
    assert world.core.seconds_left() == pytest.approx(3600, rel=0.1)


def test_nothing_is_said_where_too_little_is_known():
    """A category without a past, no claim, and no task."""
    assert world_of("fill", task(1), task(2)).core.seconds_left() is None
    world = world_of("fill", task(1), history=past())
    (executor,) = world.live()
    world.finish(executor, "1.1")
    world.sync(executor)
    world.send(ev.Tick())
    assert world.core.seconds_left() is None


def test_a_long_task_is_not_queued_behind_short_ones():
    """A claim whose attempts take milliseconds is sent more than it has room for, but none that takes a minute."""
    tasks = [task(i, "short", cores=1.0) for i in range(1, 9)] + [task(i, "long", cores=1.0) for i in range(9, 40)]
    world = world_of("fill", *tasks, history=past("long", wall_s=60.0))
    world.ahead = True
    (executor,) = world.live()
    for attempt in ("1.1", "2.1"):
        world.finish(executor, attempt)
    world.sync(executor)
    world.sync(executor)
    assert len(executor.running) == 8
