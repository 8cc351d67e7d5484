"""Which claims are opened on which offers is decided first, and then carried out: the decision is a value."""
from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from world import World

from mfmesos.core import events as ev
from mfmesos.core import opening
from mfmesos.core.decisions import AgentRefusal, Opening, Wait, WhyNot
from mfmesos.core.model import AgentId, Offer, Resources
from mfmesos.core.policy import Policy
from mfmesos.core.records import Shape

ROOM = Resources(4, 4096, 20000)
A1 = AgentId("", "a1")


def with_offers(*cores: float, agents: int = 1, policy: Policy | None = None) -> tuple[World, opening.Wanted]:
    """Tasks wait, and agents have made offers of ROOM, while nothing is opened yet."""
    policy = policy or Policy(workdir="/w", batch_delay_s=0.0)
    world = World(policy, {f"a{n + 1}": ROOM for n in range(agents)})
    world.register()
    world.list_agents()
    for number, each in enumerate(cores):
        world.submit(number + 1, cores=each, memory_mb=100, disk_mb=10)
    state = world.core.state
    for offer in world.first.make_offers():
        agent = state.agent(AgentId("", offer.agent_id), offer.hostname)
        agent.offers[offer.id] = offer
        state.clusters[""].offering[offer.agent_id] = agent
    return world, [(shape, count) for shape, count, _ in state.queue.shapes()]


def shape_of(world: World, task: int) -> Shape:
    return world.core.state.tasks[task].shape()


def test_an_opening_says_all_there_is_to_it():
    """Agent, offers, size, and for which tasks; it is the same when asked again, and asking changes nothing."""
    world, wanted = with_offers(2, 1)
    state = world.core.state
    list(opening.openings(state, wanted))  # what is known of agents is kept from now on
    before = pickle.dumps(state)
    found = list(opening.openings(state, wanted))
    assert pickle.dumps(state) == before
    (decision,) = found
    assert isinstance(decision, Opening)
    assert (decision.agent_id, decision.solo_task, decision.resources.cores) == (A1, None, 3)
    assert decision.offers == tuple(world.offers.values())
    assert dict(decision.expects) == {shape_of(world, 1): 1, shape_of(world, 2): 1}
    assert list(opening.openings(state, wanted)) == found


def test_each_decision_counts_on_those_before_it():
    """Six tasks of two cores on three agents of four: two on each."""
    world, wanted = with_offers(2, 2, 2, 2, 2, 2, agents=3)
    found = list(opening.openings(world.core.state, wanted))
    assert [(d.agent_id.agent, sum(n for _, n in d.expects)) for d in found if isinstance(d, Opening)] == [
        (agent, 2) for agent in ("a1", "a2", "a3")]


def test_no_agent_is_looked_at_when_nothing_is_left():
    """One task, three agents: one decision."""
    world, wanted = with_offers(1, agents=3)
    assert len(list(opening.openings(world.core.state, wanted))) == 1


@pytest.mark.parametrize("why", list(WhyNot))
def test_a_refusal_has_its_reason(why):
    """For each agent on which no claim is opened, why."""
    world, wanted = with_offers(8 if why is WhyNot.SMALL else 1)
    state = world.core.state
    agent = state.agent(A1)
    if why is WhyNot.AVOIDED:
        agent.avoid_until = state.now + 1
    elif why is WhyNot.EMPTY:
        agent.offers = {"O1": Offer("O1", "a1", "a1", Resources(0, 4096, 100))}
    elif why is WhyNot.BOUND:
        state.policy = replace(state.policy, max_memory_mb=50.0)
    elif why is WhyNot.LEAVING:
        agent.offers = {i: replace(o, unavailable_from=1e9) for i, o in agent.offers.items()}
    elif why is WhyNot.RESTING:
        state.clusters[""].manners.rests_until = state.now + 1
    elif why is WhyNot.UNLISTED:
        agent.offers = {"O1": Offer("O1", "a1", "a1", Resources(0.5, 100, 100))}
        world.agents.clear()
        world.now += state.policy.away_s + 1
        world.send(ev.AgentsListed((), ()))
        agent.offers = {"O1": Offer("O1", "a1", "a1", Resources(0.5, 100, 100))}
        state.clusters[""].offering["a1"] = agent
        agent.unlisted_until = state.now + 1
    assert list(opening.openings(state, wanted)) == [AgentRefusal(A1, why)]


def test_the_master_is_asked_before_a_crumb_is_used():
    """An offer of an agent that no list has, too small for a default: it is kept for a second, and the list asked
    for."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0))
    world.lists = False
    world.register()
    world.submit(1)
    state = world.core.state
    agent = state.agent(A1)
    agent.offers = {"O1": Offer("O1", "a1", "a1", Resources(0.5, 100, 100))}
    state.clusters[""].offering["a1"] = agent
    wanted = [(shape_of(world, 1), 1)]
    state.clusters[""].asked_agents_at = -1e9
    assert list(opening.openings(state, wanted)) == [Wait(A1, state.now + 1.0, ask=True)]
    state.clusters[""].asked_agents_at = state.now
    assert list(opening.openings(state, wanted)) == [Wait(A1, state.now + 1.0, ask=False)]


class Hoards:
    """An offer policy of a test's own: nothing is ever declined."""

    def keeps(self, state, cluster, agent):
        return True

    def refuse_s(self, state, cluster, agents):
        raise AssertionError("nothing is declined")

    def revives(self, state, cluster):
        return False


def test_the_offer_policy_decides_what_happens_to_the_rest():
    """With another one, offers that no task can use are kept, and used when a task comes that can."""
    world = World()
    state = world.core.state
    state.policies = replace(state.policies, offers=Hoards())
    world.register()
    world.submit(1, cores=64)
    world.offer()
    assert len(world.offers) == 1
    world.submit(2, cores=1)
    assert [e.claim.agent_id for e in world.live()] == ["a1"]


@pytest.mark.parametrize("placement", ["spread", "best", "pack"])
def test_a_task_that_only_the_last_agent_could_hold_is_not_forgotten(placement):
    """Whatever portion of the tasks the placement gives to the first agents."""
    world = World(Policy(workdir="/w", batch_delay_s=0.0, placement=placement),
                  {"a1": Resources(1, 4096, 20000), "a2": Resources(1, 4096, 20000), "a3": Resources(4, 4096, 20000)})
    world.register()
    world.submit(1, cores=4, memory_mb=100, disk_mb=10)
    world.offer()
    assert [executor.claim.agent_id for executor in world.live()] == ["a3"]
