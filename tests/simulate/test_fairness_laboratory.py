"""The fairness laboratory of docs/fairness.md, in short runs: baselines are unfair, and mfmesos is not."""
from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from mfmesos.core.policy import Policy

SINCE_S, UNTIL_S = 60.0, 100.0


@pytest.fixture(scope="module")
def lab() -> ModuleType:
    """bench/fairness.py."""
    path = Path(__file__).resolve().parents[2] / "bench" / "fairness.py"
    spec = importlib.util.spec_from_file_location("fairness_laboratory", path)
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize(("number", "published"), [(0, 0.38), (1, 0.90), (2, 0.23)])
def test_a_baseline_shows_at_least_half_of_the_published_unfairness(lab, number, published):
    """Otherwise the situation is wrong, and a good figure of ours proves nothing."""
    found = lab.figures(lab.SITUATIONS[number], False, 2, SINCE_S, 180.0, Policy())
    assert found.unfairness >= published / 2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_run_is_fair_beside_a_greedy_framework(lab, number):
    """With default settings: the difference of shares, and cores in offers that nobody answers."""
    situation = lab.SITUATIONS[number]
    found = lab.figures(situation, True, 1, SINCE_S, UNTIL_S, Policy())
    assert found.unfairness <= max(situation.reach, 0.05)
    assert found.idle <= 0.01
    assert found.fair_after_s <= 60.0


def test_a_run_that_keeps_offers_leaves_cores_idle(lab):
    """--offers hold=30 where fewer tasks arrive than a fair share holds: what the default avoids."""
    situation = replace(lab.SITUATIONS[2], rate=1.0)
    held = lab.figures(situation, True, 1, SINCE_S, UNTIL_S, Policy(offers="hold=30"))
    assert held.idle > 0.05
    assert lab.figures(situation, True, 1, SINCE_S, UNTIL_S, Policy()).idle <= 0.01
