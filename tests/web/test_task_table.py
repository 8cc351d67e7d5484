"""The page's table of tasks: the record's and the live ones, searched, filtered and sorted together."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_runs import sample

from mfmesos.store.run_tables import FILE, RecordError
from mfmesos.web import task_table
from mfmesos.web.task_table import ORDERS, PAGE, STATES, TaskTable


def row(number: int, state: str = "waiting", **more: Any) -> list[Any]:
    """Of a live task, as the scheduler gives it."""
    values = {"category": "sim", "host": "", "attempts": 0, "since": 1000.0 + number, "memory_mb": None,
              "command": f"simulate --seed {number}", "outputs": f"out{number}", "cores": None, **more}
    return [number, state, *values.values()]


@pytest.fixture
def record(tmp_path) -> Path:
    """Of tasks 1 to 8."""
    sample(tmp_path, 5)
    return tmp_path / ".mfmesos" / FILE


@pytest.fixture
def table() -> TaskTable:
    """With live tasks 11 to 15."""
    made = TaskTable()
    made.update({11: row(11, "running", host="node7", memory_mb=512.0, cores=2.0), 12: row(12), 13: row(13, "held"),
                 14: row(14, "inputs", category="last"), 15: row(15, "assigned", host="node8", memory_mb=1.0)}, 0.0)
    return made


def numbers(found: dict[str, Any]) -> list[int]:
    assert len(found["rows"]) == min(found["count"], PAGE)
    return [one["task"] for one in found["rows"]]


def test_both_are_one_table(table, record):
    """In each order; what the record has is not shown twice; a task of the record is one that has ended."""
    assert numbers(table.page(record, 1)) == [*range(1, 9), *range(11, 16)]
    for order in ORDERS:
        for falling in (False, True):
            found = numbers(table.page(record, 1, order=order, falling=falling))
            assert sorted(found) == [*range(1, 9), *range(11, 16)]
    table.update({3: row(3)}, 0.0)
    (third,) = [one for one in table.page(record, 1)["rows"] if one["task"] == 3]
    assert third["ended"] is not None
    assert numbers(table.page(record, 2)) == [3, *range(11, 16)]  # another run


@pytest.mark.parametrize(("wanted", "expected"), [
    ({"state": "live"}, [11, 12, 13, 14, 15]), ({"state": "waiting"}, [12, 13, 14]), ({"state": "held"}, [13]),
    ({"state": "running"}, [11, 15]), ({"category": "last"}, [14]), ({"text": "seed 12"}, [12]), ({"text": "13"}, [13]),
    ({"text": "node7", "state": "running"}, [11]), ({"text": "out14"}, [14]), ({"state": "blocked"}, []),
    ({"text": "'; DROP TABLE live"}, []), ({"text": "%"}, []), ({"category": "map"}, [2, 3, 4, 5, 6])])
def test_search_and_filters(table, record, wanted, expected):
    """By state, category, and text in the command, an output or the agent, or the number."""
    assert numbers(table.page(record, 1, **wanted)) == expected


def test_a_page_of_many(table, record):
    """One page is read, whatever there is."""
    table.update({number: row(number) for number in range(100, 400)}, 0.0)
    found = table.page(record, 1, state="live", page=2)
    assert (found["count"], numbers(found)) == (305, list(range(195, 245)))


def test_what_runs_is_given(table):
    """Since when, cores and MB; also by a scheduler of a version that does not say how many cores."""
    table.update({16: row(16, "running", memory_mb=8.0)[:9]}, 0.0)
    assert table.given() == [(1011.0, 2.0, 512.0), (1015.0, 0.0, 1.0), (1016.0, 0.0, 8.0)]


def test_a_page_of_many_costs_little(table, record):
    """Tasks that wait are counted in an index: no row of theirs is read but those shown, and the record is not asked
    about each. Counted in SQLite's steps."""
    table.update({number: row(number) for number in range(100, 2100)}, 0.0)
    steps = 0

    def stepped() -> int:
        nonlocal steps
        steps += 1
        return 0

    table._db.set_progress_handler(stepped, 1)
    assert table.page(record, 1)["count"] == 2013
    assert steps < 2000 * 20  # 66 for each before


def test_what_has_ended_leaves_when_the_record_may_have_it(table, record):
    """Not before, so that no task is missing meanwhile; one that runs again stays."""
    table.update({12: None, 13: None}, 10.0)
    assert {12, 13} <= set(numbers(table.page(record, 1)))
    table.update({13: row(13, "running", host="n")}, 11.0)
    table.update({}, 10.0 + task_table.GONE_S + 0.1)
    assert numbers(table.page(record, 1, state="live")) == [11, 13, 14, 15]
    assert [one["task"] for one in table.running(10)] == [11, 13, 15]
    assert table.categories() == ["sim", "last"]
    table.clear()
    assert (table.running(10), table.page(record, 1)["count"]) == ([], 8)


def test_a_record_that_is_none(table, tmp_path):
    """Is an error in one line, and the table can be asked again."""
    (tmp_path / "other").write_bytes(b"something else " * 100)
    for _ in range(2):
        with pytest.raises(RecordError, match="other"):
            table.page(tmp_path / "other", 1)


def test_every_state_can_be_chosen():
    """Each state of a row is among those that the choices show."""
    from mfmesos.core.states import TaskState

    assert {state.value for state in TaskState} <= {state for some in STATES.values() for state in some}
