"""A task starts where most bytes of its inputs lie.

Unlike with `first` every task is looked at by itself when it may start, and all claims that have some of its inputs.
"""
from __future__ import annotations

from mfmesos.core.policies.first_fit import FirstFit


class ByData(FirstFit):
    """All spots cost the same: among equal ones the bytes count."""

    indifferent = False
