"""The tracker of peer transfers: who fetches from whom."""
from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.shared import peer_wire
from mfmesos.shared.peer_wire import BROKEN, BUSY, DAMAGED, FAILURES, MISSING, REPORT_S, UNREACHABLE, SourceRequest
from mfmesos.staging.peer_tracker import MOST_CHILDREN, SILENT_S, Serving, Tracker

MB = 1 << 20
SIZE = 100 * MB
DIGEST = "d" * 64


class World:
    """A tracker, and executors that do as it says."""

    def __init__(self, size: int = SIZE) -> None:
        self.tracker = Tracker()
        self.size = size
        self.now = 0.0
        self.source: dict[str, str] = {}
        self.have: dict[str, int] = {}
        self.serves: dict[str, bool] = {}

    def join(self, name: str, *, serves: bool = True, site: str = "", behind: str = "out") -> None:
        self.tracker.introduce(name, Serving(f"{name}:1", "", site) if serves else None, behind)
        self.serves[name] = serves

    def ask(self, name: str, have: int | None = None, failed: str = "") -> str:
        self.have[name] = self.have.get(name, 0) if have is None else have
        request = SourceRequest(self.have[name], source=self.source.get(name, ""), failed=failed)
        self.source[name] = self.tracker.ask(name, DIGEST, self.size, request, self.now)
        return self.source[name]

    def chain(self, *names: str) -> list[str]:
        for name in names:
            self.join(name)
        return [self.ask(name) for name in names]

    def check(self) -> None:
        """What holds at any time."""
        swarm = self.tracker._swarms.get(DIGEST)
        members = swarm.members if swarm is not None else {}
        for name, member in members.items():
            children = [n for n, other in members.items() if other.source == name]
            assert member.children == len(children) <= MOST_CHILDREN
            assert member.source == "" or member.source in members
            path = [name]
            while not members[path[-1]].whole and members[path[-1]].source:
                path.append(members[path[-1]].source)
                assert len(set(path)) == len(path), f"a cycle: {path}"


def test_executors_form_a_chain():
    """The first gets the input from the scheduler, each other one from the one before."""
    assert World().chain("a", "b", "c", "d") == ["", "a", "b", "c"]


def test_a_holder_without_readers_comes_before_the_end_of_a_chain():
    """Whoever has the whole input sends it at full speed, with no delay."""
    world = World()
    world.chain("a", "b")
    world.ask("a", SIZE)
    world.ask("b", SIZE)
    world.join("c")
    world.join("d")
    world.join("e")
    assert {world.ask("c"), world.ask("d")} == {"a", "b"}
    assert world.ask("e") in "cd"


def test_who_does_not_serve_is_offered_to_nobody():
    """Executors that cannot listen only fetch, then several from one."""
    world = World()
    world.join("a")
    assert world.ask("a") == ""
    for i in range(MOST_CHILDREN + 2):
        world.join(f"n{i}", serves=False)
    assert [world.ask(f"n{i}") for i in range(MOST_CHILDREN + 2)] == ["a"] * MOST_CHILDREN + [""] * 2


def test_behind_nat_executors_serve_only_each_other():
    """An address behind NAT means nothing outside; outwards they connect to anybody."""
    world = World()
    world.join("n1", site="nat", behind="nat")
    world.join("n2", site="nat", behind="nat")
    world.join("o", behind="out")
    assert [world.ask("n1"), world.ask("n2"), world.ask("o")] == ["", "n1", ""]
    world.join("n3", site="nat2", behind="nat2")
    assert world.ask("n3") == "o"


def test_no_chain_is_endless():
    """Each executor lags a block behind its source, so beyond a length others have two children."""
    world = World(8 * MB)
    names = [f"a{i}" for i in range(100)]
    world.chain(*names)
    world.check()
    depth = max(len(list(world.tracker._swarms[DIGEST].above(n))) for n in names)
    assert depth == max(8, peer_wire.blocks_in(world.size) // 4)


@pytest.mark.parametrize("failure", FAILURES)
def test_after_a_failure_another_source(failure):
    """Of those that have more, first; the failed one is not offered again."""
    world = World()
    world.chain("a", "b", "c")
    world.ask("a", 30 * MB)
    world.ask("b", 20 * MB)
    assert world.ask("c", 10 * MB, failed=failure) == "a"
    world.check()
    assert world.ask("c", 12 * MB, failed=BROKEN) == ""


@pytest.mark.parametrize(("failure", "others"), [(DAMAGED, ""), (UNREACHABLE, ""), (MISSING, ""), (BUSY, "b"),
                                                 (BROKEN, "b")])
def test_what_a_failure_means_for_others(failure, others):
    """Who sent damaged data, was never reached, or does not have the input is offered to nobody again."""
    world = World()
    world.chain("a", "b")
    world.ask("a", failed="")
    world.tracker.introduce("a", None, "out")
    world.join("c")
    assert world.ask("c") == "b"
    world.ask("c", failed=failure)
    world.join("d")
    if failure == MISSING:
        assert "b" not in world.tracker._swarms[DIGEST].members
    world.tracker.introduce("c", None, "out")
    assert world.ask("d") == others


def test_one_that_reaches_nobody_takes_no_peers_away():
    """A peer that others have reached is banned only when a second one does not reach it."""
    world = World()
    world.chain("a", "b")
    world.ask("a", 9 * MB)
    world.ask("b", 8 * MB)
    for name in "xyz":
        world.join(name, serves=False)
    world.ask("x")
    world.tracker._swarms[DIGEST].members["x"].source = world.source["x"] = "a"
    world.tracker._swarms[DIGEST].members["a"].children += 1
    world.tracker._swarms[DIGEST].members["b"].children -= world.tracker._swarms[DIGEST].members["b"].children
    world.ask("x", failed=UNREACHABLE)
    assert not world.tracker._peers["a"].banned


def test_only_the_source_that_it_has_can_be_blamed():
    """A thief of a token cannot have others banned."""
    world = World()
    world.chain("a", "b", "c")
    world.source["c"] = "a"
    world.ask("c", failed=DAMAGED)
    assert not world.tracker._peers["a"].banned


def test_a_silent_executor_is_not_offered():
    """One that has died without a word; one that has the whole input need not report."""
    world = World()
    world.chain("a")
    world.join("b")
    world.now += SILENT_S + 1
    assert world.ask("b") == ""
    world.ask("a", SIZE)
    world.now += SILENT_S + 1
    world.join("c")
    assert world.ask("c") == "a"


def test_a_claim_that_ended_is_forgotten():
    """Its readers get another source when they ask next."""
    world = World()
    world.chain("a", "b", "c")
    world.ask("a", 9 * MB)
    world.tracker.forget("b")
    world.check()
    assert world.ask("c", 5 * MB) == "a"
    for name in "ac":
        world.tracker.forget(name)
    assert not world.tracker._swarms


def test_after_a_restart_of_the_scheduler():
    """A new tracker knows nothing: who asks is sent to the scheduler or to whoever is further."""
    world = World()
    world.chain("a", "b")
    world.tracker = Tracker()
    world.join("b")
    world.join("a")
    assert world.ask("b", 10 * MB) == ""
    assert world.ask("a", 5 * MB) == "b"


def test_bytes_are_counted_once():
    """Each request says how many bytes of this transfer came from where."""
    tracker = Tracker()
    tracker.introduce("a", None, "")
    for peers, own in ((0, 0), (5, 10), (5, 10), (70, 30)):
        tracker.ask("a", DIGEST, 100, SourceRequest(peers + own, from_peers=peers, from_scheduler=own), 0.0)
    assert (tracker.from_peers, tracker.from_scheduler) == (70, 30)


def test_a_banned_peer_is_left_by_those_who_still_read_from_it():
    """Damaged data that one executor found may reach the others from the same peer: their next request leads on."""
    world = World()
    world.chain("a", "b")
    world.ask("a", 6 * MB)
    world.join("c")
    assert world.ask("c", 3 * MB) == "a"
    world.ask("b", failed=DAMAGED)
    assert world.ask("c", 3 * MB) != "a"


NAMES = st.sampled_from("abcdefgh")
STEPS = st.lists(st.one_of(
    st.tuples(st.just("join"), NAMES, st.sampled_from(["", "", "nat", "none"])),
    st.tuples(st.just("ask"), NAMES, st.integers(0, 40)),
    st.tuples(st.just("fail"), NAMES, st.sampled_from(FAILURES)),
    st.tuples(st.just("lose"), NAMES, st.just(0)),
    st.tuples(st.just("forget"), NAMES, st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.sampled_from([1, 5, 40])),
), max_size=80)


@settings(max_examples=examples(300), deadline=None)
@given(STEPS)
def test_whatever_happens(steps):
    """Every asker gets a source that serves and has or is receiving the input; no cycles; few children; and if all
    sources fail, the scheduler.
    """
    world = World()
    for what, name, value in steps:
        if what == "wait":
            world.now += value
            continue
        if what == "forget":
            world.tracker.forget(name)
            world.have.pop(name, None)
            world.source.pop(name, None)
            continue
        if name not in world.tracker._peers:
            world.join(name, serves=value != "none", site="n" if value == "nat" else "", behind="n")
        if what == "lose":
            world.source[name] = ""
        failed = value if what == "fail" else ""
        got = world.ask(name, min(SIZE, world.have.get(name, 0) + (value * 3 * MB if what == "ask" else 0)), failed)
        assert_fits(world, name, got)
        world.check()
    for name in list(world.have):
        for _ in range(2 * len(world.have) + 1):
            if not world.ask(name, failed=UNREACHABLE):
                break
            world.check()
        assert world.source[name] == ""


def assert_fits(world: World, name: str, source: str) -> None:
    if not source:
        return
    members, now = world.tracker._swarms[DIGEST].members, world.now
    assert source != name
    assert world.serves[source]
    assert not world.tracker._peers[source].banned
    assert source not in members[name].refused
    assert members[source].whole or now - members[source].seen < SILENT_S or members[name].since < now


@dataclass
class Link:
    """What an agent's link carries, in bytes per second."""

    up: float = 12.5 * MB
    down: float = 12.5 * MB


@dataclass
class Network:
    """Agents on links, in steps of time; each reports as an executor does."""

    links: dict[str, Link]
    size: int = SIZE
    left: float = 0.0
    done: dict[str, float] = field(default_factory=dict)

    def run(self, most_s: float, step_s: float = 0.25) -> None:
        """Until all have the input; what left the scheduler is in `left`."""
        world, block = World(self.size), peer_wire.block_bytes(self.size)
        have = dict.fromkeys(self.links, 0.0)
        for name in self.links:
            world.join(name)
            world.ask(name)
        reported = dict.fromkeys(self.links, 0.0)
        while len(self.done) < len(have):
            assert world.now < most_s, f"after {most_s} s: {self.done}"
            world.now += step_s
            before = dict(have)
            readers = {n: sum(world.source[o] == n and o not in self.done for o in have) for n in ["", *have]}
            for name in have.keys() - self.done.keys():
                source = world.source[name]
                up = self.links[source].up if source else 12.5 * MB
                there = before[source] // block * block if source and source not in self.done else self.size
                moved = max(0.0, min(up / readers[source] * step_s, self.links[name].down * step_s,
                                     there - have[name]))
                have[name] += moved
                self.left += 0 if source else moved
                if have[name] >= self.size:
                    self.done[name] = world.now
                if have[name] >= self.size or world.now - reported[name] >= REPORT_S:
                    reported[name] = world.now
                    world.ask(name, int(have[name]))
                    world.check()


def agents(count: int = 20, **others: Link) -> dict[str, Link]:
    return {f"a{i}": others.get(f"a{i}", Link()) for i in range(count)}


def test_equal_links():
    """100 MB to 20 agents takes hardly longer than to one, and leaves the scheduler once."""
    network = Network(agents())
    network.run(1.3 * SIZE / (12.5 * MB), step_s=0.05)
    assert network.left == SIZE


@pytest.mark.parametrize("slow", [Link(up=0.1 * MB), Link(down=0.1 * MB), Link(up=0.0)])
@pytest.mark.parametrize("place", ["a3", "a10"])
def test_one_slow_agent_delays_itself_alone(slow, place):
    """Whether its uplink or its downlink is slow, others leave it out; the scheduler sends at most two copies."""
    network = Network(agents(**{place: slow}))
    network.run(2000)
    others = max(at for name, at in network.done.items() if name != place)
    assert others < 6 * SIZE / (12.5 * MB)
    assert network.left <= 2.2 * SIZE


def test_the_first_agent_is_slow():
    """The agent that alone reads from the scheduler sets the pace, until a second one finds that out."""
    network = Network(agents(a0=Link(down=0.5 * MB)))
    network.run(2000)
    assert max(at for name, at in network.done.items() if name != "a0") < 6 * SIZE / (12.5 * MB)
    assert network.left <= 2.2 * SIZE
