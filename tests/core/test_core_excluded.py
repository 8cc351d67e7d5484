"""Tasks that never start on some hosts, as workers of a manager that has blocked these hosts."""
from __future__ import annotations

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core.model import Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.core.records import Shape
from mfmesos.core.trust import is_excluded

WHOLE = Resources(4, 4096, 20000)


def world_of(*hosts: str, claims: bool = False) -> World:
    """Eight tasks that may not start on these hosts; the agents a1 and a2."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, per_task_claims=claims), {"a1": WHOLE, "a2": WHOLE})
    for number in range(1, 9):
        world.send(ev.TaskSubmitted(Task(number, "cmd", request=Request(1, 100, 20), not_on=hosts)))
    world.send(ev.NoMoreTasks())
    world.register()
    return world


def play(world: World, seconds: float) -> set[str]:
    """The agents of all claims."""
    used = set()
    until = world.now + seconds
    while not world.over and world.now < until:
        if not world.suppressed:
            world.offer()
        for executor in world.live():
            used.add(executor.claim.agent_id)
            world.sync(executor)
            for attempt in list(executor.running):
                world.finish(executor, attempt)
            world.sync(executor)
        world.place_all()
        world.pass_time(0.5)
    return used


@pytest.mark.parametrize("claims", [False, True], ids=["shared claims", "a claim per task"])
def test_they_start_elsewhere(claims: bool) -> None:
    """All end, on the other agent."""
    world = world_of("a1", claims=claims)
    assert play(world, 120) == {"a2"}
    assert sum(r.finished for r in world.reports.values()) == 8


def test_no_other_host() -> None:
    """They wait, and the reason is reported."""
    world = world_of("a1", "a2")
    assert play(world, 20) == set()
    assert any("but a manager has blocked this host" in note.text for note in world.notes)


@pytest.mark.parametrize(("hostname", "names", "excluded"), [
    ("n1.org", ("n1.org",), True), ("n1.org", ("n1",), True), ("n1", ("n1.org",), True), ("n1.org", ("n1.com",), False),
    ("n1.org", ("n",), False), ("n1", ("n2", "n1"), True), ("", ("n1",), False)])
def test_names_with_and_without_a_domain(hostname: str, names: tuple[str, ...], excluded: bool) -> None:
    """The manager knows a host by the name that its worker has found there."""
    assert is_excluded(Shape(1, 1, 1, 0.0, 0.0, 0.0, False, not_on=names), hostname) is excluded
