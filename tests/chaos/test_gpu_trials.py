"""Two runs on one agent with 4 GPUs that are not isolated; `make soak` runs 1,000 tasks on a real Mesos."""
from __future__ import annotations

import pytest
from gpu_trials import RESOURCES, two_runs


@pytest.mark.timeout(180)
def test_two_runs_never_share_a_gpu(make_embedded, tmp_path):
    """Their executors know nothing of each other; each task has a GPU for itself, all are finished."""
    assert sum(two_runs(make_embedded(agents=1, resources=RESOURCES), tmp_path, 40).values()) == 40
