"""Who is offered which agent. What a real Mesos does is in tests/contract/test_contract_allocation.py."""
from __future__ import annotations

import random
from dataclasses import dataclass, field

from mfmesos.allocation.allocator import Allocator, Filters, dominant_share
from mfmesos.allocation.amounts import Amounts, total

FOUR = Amounts.of(cpus=4, mem=1000)


@dataclass
class Agent:
    id: str
    free: Amounts = FOUR
    total: Amounts = FOUR
    active: bool = True


@dataclass
class Framework:
    id: str
    role: str = "*"
    holds: Amounts = field(default_factory=Amounts)
    active: bool = True
    suppressed: bool = False
    filters: Filters = field(default_factory=Filters)

    def used(self) -> Amounts:
        return self.holds


def takers(agents, frameworks, offered=None, now=0.0, allocator=None):
    """The frameworks that are offered something, by agent."""
    made = (allocator or Allocator(random.Random(1))).allocate(agents, frameworks, offered or {}, now)
    return {agent.id: framework.id for framework, agent, _ in made}


def test_fair_shares():
    """Two frameworks with nothing get one agent each; who has more waits, offers counted; roles count before
    frameworks."""
    agents = [Agent("1"), Agent("2")]
    a, b, other = Framework("a"), Framework("b"), Framework("other", "r")
    assert sorted(takers(agents, [a, b]).values()) == ["a", "b"]
    assert takers(agents[:1], [a, b], {"a": Amounts.of(cpus=1)}) == {"1": "b"}
    held = {"a": Amounts.of(cpus=1), "b": Amounts.of(cpus=1), "other": Amounts.of(cpus=1.5)}
    assert takers(agents[:1], [a, b, other], held) == {"1": "other"}


def test_what_a_suppressed_framework_holds_counts_for_its_role():
    """So a second framework of a role that has much waits for the other role."""
    quiet = Framework("a", "rich", Amounts.of(cpus=3), suppressed=True)
    assert takers([Agent("1")], [quiet, Framework("b", "rich"), Framework("c", "poor", Amounts.of(cpus=1))]) == {
        "1": "c"}


def test_weights():
    """A role of weight 3 may hold three times as much."""
    allocator = Allocator(random.Random(1))
    three, one = Framework("a", "three", Amounts.of(cpus=2)), Framework("b", "one", Amounts.of(cpus=1))
    assert takers([Agent("1")], [three, one], allocator=allocator) == {"1": "b"}
    allocator.weights["three"] = 3.0
    assert takers([Agent("1")], [three, one], allocator=allocator) == {"1": "a"}


def test_equal_shares_take_turns():
    """Who was chosen less often comes first, otherwise one could be offered everything for ever, and decline it."""
    allocator, frameworks = Allocator(random.Random(1)), [Framework("a"), Framework("b")]
    assert [takers([Agent("1")], frameworks, allocator=allocator)["1"] for _ in range(4)] == ["a", "b", "a", "b"]


def test_filters_and_suppression():
    """A filter stands until its time, at least for an allocation interval, for as much or less; a suppressed framework
    gets nothing."""
    agent, a = Agent("1"), Framework("a")
    a.filters.add("1", Amounts.of(cpus=2, mem=1000), 10.0, now=0.0)
    assert takers([agent], [a], now=5.0)
    a.filters.add("1", FOUR, 10.0, now=0.0)
    assert not takers([agent], [a], now=5.0)
    assert takers([agent], [a], now=10.0)
    a.filters.add("1", FOUR, 0.01, now=20.0)
    assert not takers([agent], [a], now=20.9)
    a.filters.clear()
    assert takers([agent], [a], now=20.9)
    a.suppressed = True
    assert not takers([agent], [a], now=30.0)


def test_no_offer():
    """Less than 0.01 cpus and less than 32 MB, or an agent that the operator took out."""
    assert not takers([Agent("1", Amounts.of(cpus=0.005, mem=16, disk=100))], [Framework("a")])
    assert not takers([Agent("1", active=False)], [Framework("a")])


def test_dominant_share():
    """The largest fraction of any resource."""
    assert dominant_share(Amounts.of(cpus=1, mem=500), FOUR) == 0.5
    assert dominant_share(total([]), Amounts.of(cpus=1)) == 0.0
