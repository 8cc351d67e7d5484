"""Which framework both clusters offer an agent to; where they differ, mfmesos/allocation is wrong."""
from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from clusters import Cluster
from rawclient import Framework, amount, task
from support import wait_until


@pytest.fixture
def cluster(make_cluster) -> Cluster:
    return make_cluster(agents=1)


@pytest.fixture
def stack():
    with ExitStack() as found:
        yield found


def holding(stack: ExitStack, cluster: Cluster, cpus: float = 0.0, role: str = "*") -> Framework:
    """A framework that holds so much, and is suppressed."""
    framework = stack.enter_context(Framework(cluster.master, role=role))
    offer = framework.offer(cpus=cpus)
    framework.call("SUPPRESS")
    if cpus:
        made = task(offer, cpus=cpus - 0.05, role=role)
        framework.launch([offer], [made])
        framework.state(made, "TASK_RUNNING")
    else:
        framework.decline(offer, 0)
    framework.decline_others()
    return framework


def takers(frameworks: Sequence[Framework], count: int) -> list[int]:
    """Which of them the next offers go to once all have asked for offers; each is declined for no time."""
    for framework in frameworks:
        framework.call("REVIVE")
    found: list[int] = []
    deadline = time.monotonic() + 40
    while len(found) < count:
        assert time.monotonic() < deadline, f"offers went to {found}, then no more"
        for number, framework in enumerate(frameworks):
            try:
                event = framework.events.get(timeout=0.05)
            except queue.Empty:
                continue
            for offer in event.get("offers", {}).get("offers", ()):
                found.append(number)
                framework.decline(offer, 0)
    return found[1:]  # the first one was made before all had asked


def test_equal_shares_take_turns(cluster, stack):
    """Frameworks that hold the same are offered the agent in turn, and none of them twice in a row."""
    found = takers([holding(stack, cluster), holding(stack, cluster)], 5)
    assert found in ([0, 1, 0, 1], [1, 0, 1, 0])


def test_the_smaller_share_comes_first(cluster, stack):
    """As long as it declines, the other gets nothing."""
    assert takers([holding(stack, cluster, 1.0), holding(stack, cluster, 0.5)], 4) == [1, 1, 1]


def test_a_weight_counts(cluster, stack):
    """A role of weight 3 with twice as much has the smaller share."""
    weights = [{"role": "three", "weight": 3.0}, {"role": "one", "weight": 1.0}]
    cluster.call("UPDATE_WEIGHTS", update_weights={"weight_infos": weights})
    assert takers([holding(stack, cluster, 1.0, "three"), holding(stack, cluster, 0.5, "one")], 4) == [0, 0, 0]


def test_a_suppressed_framework_counts_for_its_role(cluster, stack):
    """A role that has much comes last, also for those of its frameworks that have nothing."""
    holding(stack, cluster, 2.0, "rich")
    assert takers([holding(stack, cluster, role="rich"), holding(stack, cluster, 1.0, "poor")], 4) == [1, 1, 1]


def agent_is_free(cluster: Cluster) -> None:
    wait_until(lambda: not cluster.get("/slaves")["slaves"][0]["used_resources"].get("cpus"), 20, "a free agent")


LONG = {"real": {"allocation_interval": "1000secs"}, "embedded": {"allocation-interval": "1000"}}
"""Nothing is offered because time has passed."""


@pytest.fixture
def seldom(make_cluster) -> Cluster:
    return make_cluster(agents=1, flags=LONG[make_cluster.kind])


def test_what_comes_free_waits_for_the_next_allocation(seldom):
    """A declined offer, the rest of an offer, a task that ended, a framework that left: none of it is offered before
    the interval is over, but at once to a framework that is new or asks again."""
    with Framework(seldom.master) as one:
        one.decline(one.offer(cpus=4), 0)
        one.nothing("OFFERS", seconds=0.5)
        with Framework(seldom.master) as two:
            offer = two.offer(cpus=4)
            made = task(offer, cpus=1)
            two.launch([offer], [made])
            two.state(made, "TASK_RUNNING")
            two.kill(made)
            two.state(made, "TASK_KILLED")
            two.nothing("OFFERS", seconds=1.0)
        one.nothing("OFFERS", seconds=1.0)
        agent_is_free(seldom)
        one.call("REVIVE")
        assert one.offer(cpus=4)


def test_a_filter_refuses_no_more_than_was_declined(cluster, stack):
    """What has come free since then makes an offer that is larger, at once."""
    first = holding(stack, cluster, 2.0)
    second = stack.enter_context(Framework(cluster.master))
    second.decline(second.offer(), 1000)
    first.teardown()
    agent_is_free(cluster)
    assert amount(second.offer(timeout=20), "cpus") == 4
