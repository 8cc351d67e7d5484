"""Chains with temporary outputs under fire: two seeds with each `make test`; `make soak` and `make chaos` run more."""
from __future__ import annotations

import pytest
from chaos_temporaries import Relay, Relays, run_seed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [4, 5])
def test_on_the_embedded_cluster(seed, make_embedded, tmp_path):
    """Every ordinary output right, no temporary one brought back or left behind, none made again without a loss."""
    run_seed(Relay(seed, "run", 120), make_embedded(), tmp_path, kind=Relays)


def test_every_blow_falls():
    """Forty seeds have every kind of blow among them, with each of the options."""
    for remainder in range(3):
        struck = {kind for seed in range(1, 41) if seed % 3 == remainder for _, kind in Relay(seed, "run").blows}
        assert struck >= {"kill_scheduler", "kill_executor", "restart_cluster", "lose_agent", "plan_maintenance"}
