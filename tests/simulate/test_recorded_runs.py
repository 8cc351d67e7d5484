"""Real runs on a real Mesos, recorded by `bench/simulated_runs.py --record`, against their simulations."""
from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from recorded import simulated

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.json"))


def test_there_are_recordings():
    """Of independent tasks of several sizes, and of tasks that wait for others."""
    assert [path.stem for path in RECORDINGS] == ["mixed", "stages"]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_simulation_decides_as_the_real_run_did(path, tmp_path):
    """Claims of the same sizes are opened. Each task starts once, and of nearly all pairs the same one first; most in
    the same claim: which of two ends a millisecond earlier, and which executor syncs first, is not simulated.
    """
    real, simulation = simulated(path, tmp_path)

    def claims(decisions):
        return sorted(decision[2:] for decision in decisions if decision[0] == "open")

    def starts(decisions):
        return {task: (number, claim) for number, (kind, task, claim, *_) in enumerate(decisions) if kind == "start"}

    assert claims(simulation) == claims(real)
    made, expected = starts(simulation), starts(real)
    assert sum(decision[0] == "start" for decision in simulation) == len(made)
    assert made.keys() == expected.keys()
    pairs = list(combinations(made, 2))
    assert sum((made[a] < made[b]) == (expected[a] < expected[b]) for a, b in pairs) >= 0.97 * len(pairs)
    assert sum(made[task][1] == expected[task][1] for task in made) >= 0.75 * len(made)
