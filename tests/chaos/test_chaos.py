"""300 tasks with real outputs while a seeded schedule kills, stops and cuts, under any policies; chaos.py repeats a
seed by itself.
"""
from __future__ import annotations

import pytest
from chaos import BLOWS, POLICIES, Schedule, run_seed

ENGINES = ("makeflow", "run")


def engine_of(seed: int) -> str:
    return ENGINES[seed % 2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(1, 51))
def test_on_the_embedded_cluster(seed, make_embedded, tmp_path):
    """Every output right, each task reported once, nothing run again that had been reported, nothing left behind."""
    run_seed(Schedule(seed, engine_of(seed)), make_embedded(), tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [101, 102])
def test_on_real_mesos(seed, make_real_mesos, tmp_path):
    """The same; `make chaos` runs more of them."""
    run_seed(Schedule(seed, engine_of(seed)), make_real_mesos(), tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [90])
def test_the_decisions_of_schedulers_under_fire_are_replayed(seed, make_embedded, tmp_path):
    """With an event log, which gives the same actions again under two hash seeds. The seed kills one of them."""
    run_seed(Schedule(seed, engine_of(seed)), make_embedded(), tmp_path, event_log=True)


def test_a_schedule_follows_from_its_seed():
    """The same seed, the same blows and policies; and fifty seeds have every kind of blow and policy among them."""
    assert Schedule(7, "run") == Schedule(7, "run")
    drawn = {option for seed in range(1, 51) for option in Schedule(seed, engine_of(seed)).policies}
    assert drawn == {f"{option}={name}" for option, names in POLICIES.items() for name in names}
    for engine in ENGINES:
        mine = [Schedule(seed, engine) for seed in range(1, 51) if engine_of(seed) == engine]
        struck = {kind for schedule in mine for _, kind in schedule.blows}
        assert struck == set(BLOWS[engine])
