"""--offers polite, hold and refuse, and --arrival-rate: what happens to offers of no use, and when tasks may start."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import World

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policies import registry
from mfmesos.core.policy import Policy
from mfmesos.core.waiting import Binding, why_waiting

AGENT = Resources(4, 4096, 20000)


def world_of(**settings: object) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", claim_idle_s=1e6, claim_worklife_s=1e9,
                         **settings), {"a1": AGENT, "a2": AGENT})
    world.ahead = False
    world.register()
    world.list_agents()
    return world


def submit(world: World, *numbers: int) -> None:
    world.send(*(ev.TaskSubmitted(Task(n, "x", (), (f"o{n}",), Request(1.0, 100.0, 200.0))) for n in numbers))


def running(world: World) -> set[int]:
    for _ in range(2):
        for executor in world.live():
            world.sync(executor)
        world.send(ev.Tick())
    return {int(a.partition(".")[0]) for e in world.live() for a in e.running}


def declines(world: World) -> list[float]:
    return [action.refuse_s for action in world.actions if isinstance(action, act.DeclineOffers)]


@pytest.mark.parametrize(("offers", "refuse_s"), [("polite", 600.0), ("refuse=7.5", 7.5)])
def test_useless_offers_are_declined_at_once(offers, refuse_s):
    """By default for long if nothing waits; with refuse always for that time."""
    world = world_of(offers=offers)
    world.offer()
    assert declines(world) == [refuse_s]


def test_unused_offers_are_kept_for_the_time_that_is_given():
    """And a task that comes meanwhile starts on them."""
    world = world_of(offers="hold=30")
    world.offer()
    world.pass_time(29.0)
    assert not declines(world)
    submit(world, 1)
    assert running(world) == {1}
    world.pass_time(2.0)
    assert len(declines(world)) == 1


@pytest.mark.parametrize("text", ["hold", "hold=x", "hold=-1", "hold=nan", "refuse=", "polite=3"])
def test_a_time_is_checked(text):
    """A name alone, something else than a time, and a value where none belongs."""
    with pytest.raises(ValueError, match=r"value|time"):
        registry.made(registry.OFFERS, text)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 5.0), st.lists(st.floats(0.1, 3.0), min_size=3, max_size=12))
def test_no_more_tasks_start_than_have_arrived(rate, pauses):
    """One at once, then `rate` per second however much room there is; claims grow no larger than that either."""
    world = world_of(arrival_rate=rate)
    began = world.now
    submit(world, *range(1, 60))
    world.offer()
    for pause in pauses:
        world.pass_time(pause)
        world.offer()
        arrived = min(int((world.now - began) * rate) + 1, 8)
        assert len(running(world)) == arrived
        held = sum(claim.resources.cores for claim in world.core.state.claims.values())
        assert held <= arrived + 1e-6
    if len(running(world)) < 8:
        why = why_waiting(world.core.state, 59)
        assert why is not None
        assert why.binding is Binding.ARRIVES
        assert world.core.wakeup() is not None
