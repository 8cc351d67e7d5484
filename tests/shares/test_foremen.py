"""Which tasks workers of foremen are for."""
from __future__ import annotations

from dataclasses import replace

from mfmesos.core.model import Resources
from mfmesos.shares.foremen import through_foremen
from mfmesos.shares.pool_values import ManagerStatus

MANAGER = ManagerStatus("p", "h", 1, 7, 3, Resources(20, 1000), Resources(2, 100))
FOREMEN = [ManagerStatus(f"fore{i}", "h", 10 + i, 1, 2, Resources(3, 30), Resources(1, 10)) for i in range(2)]


def test_without_foremen_nothing_changes() -> None:
    """No pattern: each manager gets its own workers."""
    assert through_foremen([MANAGER, *FOREMEN], "") == (MANAGER, *FOREMEN)


def test_waiting_tasks_are_the_foremen_s() -> None:
    """Seven waiting tasks are shared out, with what they request; the running ones are at foremen already. The manager
    itself gets no workers, with the reason."""
    one, other, manager = through_foremen([MANAGER, *FOREMEN], "fore.*")
    assert [(f.key, f.tasks_waiting, f.tasks_running) for f in (one, other)] == [
        ("fore0 h:10", 5, 2), ("fore1 h:11", 4, 2)]
    assert one.wanted == Resources(3 + 2 * 4, 30 + 100 * 4)
    assert one.largest == Resources(2, 100)
    assert (manager.key, manager.refuses) == (
        MANAGER.key, "its workers connect to foremen (--foremen fore.*); running foremen: 2")


def test_announced_tasks_count() -> None:
    """Two tasks that a manager has announced are announced by its foreman: they do not wait, so workers that wait for
    them are not too small."""
    one, _ = through_foremen([replace(MANAGER, tasks_waiting=0, tasks_running=0, tasks_left=2), FOREMEN[0]], "fore.*")
    assert (one.tasks_waiting, one.tasks_left, one.wanted, one.largest) == (1, 2, Resources(3, 30), Resources(2, 100))


def test_no_foreman_runs() -> None:
    """The manager's status names that; its own reason stays."""
    assert through_foremen([MANAGER], "fore")[0].refuses.endswith("running foremen: 0")
    assert through_foremen([replace(MANAGER, refuses="it requires a password")], "fore")[0].refuses == (
        "it requires a password")
