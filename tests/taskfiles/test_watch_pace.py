"""When a watch polls and when it has changes notified, without a thread, a file or a clock."""
from __future__ import annotations

import pytest

from mfmesos.taskfiles.watch_pace import BUSY, BUSY_POLL_S, BUSY_S, CALM_S, MISSED, ONLY_POLLED_S, Pace

POLL_S = 2.0


def busy_pace(now: float) -> Pace:
    """One whose last change of many came at `now`."""
    pace = Pace(POLL_S)
    for _ in range(BUSY + 1):
        pace.changes(now)
    return pace


def missing_pace(count: int) -> Pace:
    """A pace that has found `count` changes in a row by the poll alone."""
    pace = Pace(POLL_S)
    for _ in range(count):
        pace.missed()
    return pace


@pytest.mark.parametrize(("pace", "notifying", "only", "pause"), [
    (Pace(POLL_S), True, False, POLL_S),
    (Pace(POLL_S), False, True, ONLY_POLLED_S),
    (Pace(0.1), False, True, 0.1),
    (missing_pace(MISSED - 1), True, False, POLL_S),
    (missing_pace(MISSED), True, True, ONLY_POLLED_S),
    (busy_pace(0.0), False, True, BUSY_POLL_S),
], ids=["notified", "no inotify watch", "no inotify watch, a short poll", "too few missed", "enough missed", "busy"])
def test_the_pause(pace: Pace, notifying: bool, only: bool, pause: float) -> None:
    """The poll is slow only where changes are notified."""
    assert (pace.polls_only(notifying), pace.pause(notifying)) == (only, pause)


@pytest.mark.parametrize(("steps", "announced", "only"), [
    ("m" * (MISSED - 1), 0, False),
    ("m" * MISSED, 1, True),
    ("m" * (MISSED + 5), 1, True),
    ("m" * (MISSED - 1) + "n" + "m" * (MISSED - 1), 0, False),
    ("m" * MISSED + "n", 1, False),
], ids=["too few", "enough", "more", "a notification between them", "a notification after them"])
def test_missed_changes(steps: str, announced: int, only: bool) -> None:
    """Changes in a row that only the poll finds (m) are announced once; a notification (n) ends the row."""
    pace = Pace(POLL_S)
    said = 0
    for step in steps:
        if step == "m":
            said += pace.missed()
        else:
            pace.notified()
    assert (said, pace.polls_only(True)) == (announced, only)


@pytest.mark.parametrize(("times", "busy"), [
    ([10.0] * BUSY, False),
    ([10.0] * (BUSY + 1), True),
    ([10.0] * BUSY + [10.0 + BUSY_S + 0.001], False),
    ([10.0 + 0.5 * BUSY_S * i for i in range(3 * BUSY)], False),
    ([10.0] * (BUSY + 1) + [11.0], True),
], ids=["few", "many", "many, over a longer time", "steady and slow", "no poll since then"])
def test_many_changes(times: list[float], busy: bool) -> None:
    """More changes than BUSY within BUSY_S are polled for; this lasts until a poll finds that it is calm."""
    pace = Pace(POLL_S)
    assert [pace.changes(now) for now in times][-1] is busy
    assert (pace.pause(True) == BUSY_POLL_S) is busy


@pytest.mark.parametrize(("after", "may"), [(0.0, False), (CALM_S - 0.01, False), (CALM_S + 0.01, True)])
def test_calm_again(after: float, may: bool) -> None:
    """CALM_S after the last change notifications are worth their cost again, and polls are slow again."""
    pace = busy_pace(10.0)
    assert pace.may_notify(10.0 + after) is may
    assert (pace.pause(True) == POLL_S) is may


def test_no_inotify_watch_is_asked_for_again() -> None:
    """Once none could be had, busy or not."""
    pace = Pace(POLL_S)
    assert pace.may_notify(1.0)
    pace.unavailable()
    assert not pace.may_notify(1.0)
    assert not pace.may_notify(1e6)
