"""Requests for resources in options and settings."""
from __future__ import annotations

import json

import pytest

from mfmesos.shared.resource_texts import counters, of_categories, table


def test_counters():
    """By name; the last one counts."""
    assert counters(["licences=3", "seats=1.5", "licences=4"]) == {"licences": 4.0, "seats": 1.5}


@pytest.mark.parametrize("text", [
    "licences", "licences=", "licences=x", "=3", "licences=-1", "gpus=1", "cores=2", "a b=1"])
def test_what_is_no_counter(text: str):
    """The error names it, and what to write."""
    with pytest.raises(ValueError, match="write NAME=AMOUNT"):
        counters([text])


def test_categories():
    """GPUs with their type, and others; the table is the same after its way through JSON."""
    found = of_categories(["align=gpus=a100:2,licences=1", "sort=gpus=1", "cat=licences=1.5"])
    assert found == {"align": (2.0, "a100", (("licences", 1.0),)), "sort": (1.0, "", ()),
                     "cat": (0.0, "", (("licences", 1.5),))}
    assert table(json.loads(json.dumps(found))) == table(found) == (
        ("align", 2.0, "a100", (("licences", 1.0),)), ("cat", 0.0, "", (("licences", 1.5),)), ("sort", 1.0, "", ()))


@pytest.mark.parametrize("text", [
    "align", "align=", "=gpus=1", "align=gpus=x", "align=gpus=0.5", "align=cores=1", "align=licences=-1",
    "align=licences=1,licences=2"])
def test_what_is_no_category(text: str):
    """The error names it, and what to write."""
    with pytest.raises(ValueError, match="write CATEGORY=NAME=AMOUNT"):
        of_categories([text])
