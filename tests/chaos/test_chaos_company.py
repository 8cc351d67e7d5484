"""A run beside another framework whose calls are lost: three seeds with each `make test`; `make soak` runs more."""
from __future__ import annotations

import pytest
from chaos_company import CALLS, COMPANY, Company, Gates, run_seed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [3, 4, 8])
def test_on_the_embedded_cluster(seed, make_embedded, tmp_path):
    """No REVIVE is lost: the run gets offers again after each gate, and ends. Beside it: a greedy framework, one that
    hoards offers, and another run of mfmesos, which ends as well."""
    run_seed(Gates(seed, "run", 27), make_embedded(), tmp_path, kind=Company)


def test_every_call_is_hit_in_every_company():
    """Forty seeds have every blow on a call among them, beside each of the frameworks."""
    for remainder, company in enumerate(COMPANY):
        struck = {kind for seed in range(1, 41) if seed % len(COMPANY) == remainder
                  for _, kind in Gates(seed, "run").blows}
        assert struck >= {"restart_cluster", *CALLS}, company
