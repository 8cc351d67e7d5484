"""What `mfmesos why` predicts for waiting tasks, against when they start in virtual time."""
from __future__ import annotations

import statistics

from predicted_starts import SCENES, asked


def test_most_starts_are_predicted():
    """At half of the wait, for 80 % of the tasks: within 5 s, or 20 % of the wait. Tasks for which nothing could be
    predicted count as missed. `make bench-simulate` does this with more workloads and seeds.
    """
    found = asked(lambda: SCENES["two kinds, 1 and 4 cores"](1), 40)
    assert len(found) == 40
    assert statistics.mean(one.near for one in found) >= 0.8
