"""Parts of an agent that are in use, for placements."""
from __future__ import annotations

from mfmesos.core.model import Resources


def parts(amount: Resources, of: Resources) -> list[float]:
    """The part of cores, memory, disk and GPUs that the amount is; nothing of what `of` lacks."""
    return [one / whole if whole > 0 else 0.0 for one, whole in zip(amount[:4], of[:4])]


def dominant(amount: Resources, of: Resources) -> float:
    """The largest part."""
    return max(parts(amount, of))
