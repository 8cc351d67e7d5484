"""The trees of matching against a search through everything, and deadlines against a list (Hypothesis)."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mfmesos.core.deadlines import Deadlines
from mfmesos.core.model import Resources
from mfmesos.core.room_index import EVERYTHING, LeastNeeds, MostRoom, RankedRoom, least_of
from mfmesos.shared.resources import named

FEW = st.integers(0, 4).map(float)
OTHERS = st.dictionaries(st.sampled_from(["licences", "bandwidth"]), FEW).map(named)
AMOUNTS = st.builds(Resources, FEW, FEW, FEW, FEW, OTHERS)
KEYS = st.integers(0, 20)


@given(st.lists(st.tuples(KEYS, st.integers(0, 100), st.none() | AMOUNTS), max_size=60), AMOUNTS)
def test_the_shapes_that_fit_come_by_rank(changes, room):
    """After any additions, changes and removals: all that fit, none that does not, by rank."""
    tree, all_of_them = LeastNeeds(), {}
    for key, rank, least in changes:
        if least is not None:
            tree.set(key, (0.0, 0.0, rank), least)
            all_of_them[key] = rank, least
        elif key in tree:
            tree.remove(key)
            del all_of_them[key]
    found = list(tree.fitting(lambda: room))
    assert {k for k, (_, least) in all_of_them.items() if least.fits_in(room)} == set(found)
    assert [all_of_them[k][0] for k in found] == sorted(all_of_them[k][0] for k in found)
    assert len(tree) == len(all_of_them)
    assert tree.least() == least_of(least for _, least in all_of_them.values())


def test_large_shapes_that_wait_in_front_are_not_passed_one_by_one():
    """A core is free, and 400 kinds of tasks of 16 cores wait before 100 kinds of one: what fits is found in a few
    looks.
    """
    tree, looks = LeastNeeds(), []
    for number in range(500):
        tree.set(number, (0.0, 0.0, number), Resources(1.0 if number % 5 == 0 else 16.0, 100.0 + number % 7))

    def room():
        looks.append(1)
        return Resources(1.0, 50_000.0)

    tree.set(0, (0.0, 0.0, 1000), Resources(1.0, 100.0))
    assert next(tree.fitting(room)) == 5
    assert len(looks) < 20


@given(st.dictionaries(KEYS, AMOUNTS, min_size=1), AMOUNTS)
def test_a_room_that_shrinks_meanwhile_hides_what_no_longer_fits(needs, room):
    """First fit: each shape that comes fits into what the ones before it left."""
    tree = LeastNeeds()
    for rank, (key, least) in enumerate(needs.items()):
        tree.set(key, (0.0, 0.0, rank), least)
    left, found = [room], []
    for key in tree.fitting(lambda: left[0]):
        assert needs[key].fits_in(left[0])
        found.append(key)
        left[0] = left[0] - needs[key]
    expected, rest = [], room
    for key, least in needs.items():
        if least.fits_in(rest):
            expected.append(key)
            rest = rest - least
    assert found == expected


@given(st.lists(st.tuples(KEYS, st.none() | AMOUNTS), max_size=80), AMOUNTS)
def test_the_claims_with_room_come_in_the_order_in_which_they_were_added(changes, need):
    """A claim that was removed and added again is the newest; one that only changed keeps its place."""
    tree, all_of_them = MostRoom(), {}
    for key, room in changes:
        if room is not None:
            tree.set(key, room)
            all_of_them[key] = room
        elif key in tree:
            tree.remove(key)
            del all_of_them[key]
    assert list(tree.with_room(need)) == [k for k, room in all_of_them.items() if need.fits_in(room)]
    assert sorted(all_of_them, key=tree.place_of) == list(all_of_them)
    assert not list(tree.with_room(EVERYTHING))


@given(st.lists(st.tuples(st.sampled_from("abcd"), FEW, st.booleans()), max_size=40))
def test_a_deadline_is_due_once_and_the_earliest_counts(steps):
    """Later deadlines of a key are dropped while an earlier one is set."""
    deadlines, expected, now = Deadlines(), {}, 0.0
    for key, after, look in steps:
        deadlines.arm(key, now + after)
        expected[key] = min(expected.get(key, 1e9), now + after)
        assert deadlines.first() == min(expected.values())
        if look:
            now += 1.0
            due = deadlines.due(now)
            assert sorted(due) == sorted(k for k, at in expected.items() if at <= now)
            for key_due in due:
                del expected[key_due]


@given(st.lists(st.tuples(KEYS, st.integers(0, 3), st.none() | AMOUNTS), max_size=80), AMOUNTS)
def test_the_claims_with_room_come_by_rank(changes, need):
    """Those of one rank in the order in which they were added; a change of rank or room keeps that."""
    tree, all_of_them = RankedRoom(), {}
    for key, rank, room in changes:
        if room is not None:
            tree.set(key, rank, room)
            all_of_them[key] = rank, room
        elif key in tree:
            tree.remove(key)
            del all_of_them[key]
    expected = [k for k in sorted(all_of_them, key=lambda k: all_of_them[k][0]) if need.fits_in(all_of_them[k][1])]
    assert list(tree.with_room(need)) == expected
    assert all(room.fits_in(tree.most()) for _, room in all_of_them.values())
