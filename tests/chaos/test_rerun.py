"""Twenty rounds of editing and running again with each `make test`; `make soak` runs 500."""
from __future__ import annotations

import pytest
from rerun import Fuzz


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_edits_and_kills(seed, make_embedded, tmp_path):
    """After ten rounds of random edits, kills and runs each output is what a plain evaluation gives, the state file has
    the present numbers, and nothing has run that no edit had touched."""
    # A cluster of its own: a scheduler that is killed while it registers leaves a framework that nobody knows.
    fuzz = Fuzz(seed, make_embedded(), tmp_path)
    for _ in range(10):
        fuzz.round()
