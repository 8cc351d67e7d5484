"""--placement attribute=NAME[=VALUE]: agents that have the attribute are preferred, and nobody waits for them."""
from __future__ import annotations

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.model import Offer, Request, Resources, Task
from mfmesos.core.policies import registry
from mfmesos.core.policy import Policy

AGENT = Resources(2, 4096, 20000)
ATTRIBUTES = {"a1": {}, "a2": {"disk": "hdd"}, "a3": {"disk": "ssd"}, "a4": {}}


def cluster(placement: str) -> World:
    world = World(Policy(workdir="/w", batch_delay_s=0.0, estimates="off", claim_idle_s=1e6, placement=placement),
                  dict.fromkeys(ATTRIBUTES, AGENT))
    world.register()
    return world


def offer(world: World) -> None:
    """All agents at once, with their attributes."""
    for agent, attributes in ATTRIBUTES.items():
        world.offers[f"O {agent}"] = Offer(f"O {agent}", agent, agent, AGENT, attributes)
    world.send(ev.OffersReceived(tuple(world.offers.values())))


def submit(world: World, *numbers: int) -> None:
    world.send(*(ev.TaskSubmitted(Task(n, "x", (), (f"o{n}",), Request(1.0, 100.0, 200.0))) for n in numbers))


def agents(world: World) -> list[str]:
    """Those that run tasks, in the order in which the tasks were submitted."""
    for executor in world.live():
        world.sync(executor)
    at = {int(a.partition(".")[0]): e.claim.agent_id for e in world.live() for a in e.running}
    return [at[n] for n in sorted(at)]


@pytest.mark.parametrize(("placement", "expected"), [
    ("first", ["a1", "a1", "a2", "a2", "a3"]),
    ("attribute=disk", ["a2", "a2", "a3", "a3", "a1"]),
    ("attribute=disk=ssd", ["a3", "a3", "a1", "a1", "a2"]),
    ("attribute=gpu", ["a1", "a1", "a2", "a2", "a3"]),
])
def test_claims_are_opened_where_the_attribute_is(placement, expected):
    """And on the others as soon as these are full; without such agents as if nothing was preferred."""
    world = cluster(placement)
    submit(world, 1, 2, 3, 4, 5)
    offer(world)
    assert sorted(agents(world)) == sorted(expected)


def test_tasks_start_where_the_attribute_is():
    """Among open claims with room."""
    world = cluster("attribute=disk=ssd")
    submit(world, *range(1, 9))
    offer(world)
    assert len(agents(world)) == 8
    for executor in world.live():
        for attempt in list(executor.running):
            world.finish(executor, attempt)
        world.sync(executor)
    submit(world, 11, 12, 13)
    assert agents(world)[:2] == ["a3", "a3"]
    assert len(agents(world)) == 3


@pytest.mark.parametrize("text", ["attribute", "attribute="])
def test_the_name_must_be_given(text):
    """A preference for nothing is refused."""
    with pytest.raises(ValueError, match="NAME=VALUE"):
        registry.placement(text)
