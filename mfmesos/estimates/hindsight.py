"""What each candidate would have cost a task that ended: the own record of choice.py is made of these.

For a task with peak y (in the resource's unit) and run time t (s), with the blur b of `blur_of`:

    p[k]     = clip((y + b - a[k]) / 2 b, 0, 1)          the share of a failure
    waste[k] = (a[k] + p[k] a' - y) t                    in the resource's unit times seconds

a' is what the retry would have been given (`retry_of`). A failed attempt is charged with the whole run time, as replays
are (replay.py): when it would have failed is not known.

With a step in place of p, the record of a few tasks would depend on which candidates one peak happens to exceed by a
hair. So each peak stands for peaks spread evenly about it, by b to either side (in density estimation: a uniform
kernel).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mfmesos.estimates.category_history import MARGINS
from mfmesos.estimates.choice import CAUTIOUS
from mfmesos.estimates.retries import MARGIN
from mfmesos.estimates.tuning import Tuning

_NEIGHBOURS = 30
"""The last peaks that distances are taken from."""
_NEIGHBOUR = 2
"""Which of them counts, in order of distance, from 0: one or two may repeat a peak by chance."""
_LEAST_BLUR = 1e-6
"""As a share of the peak: p divides by it."""


class Hindsight(NamedTuple):
    """By the number of the candidate."""

    waste: list[float]
    """In the resource's unit times seconds."""
    failed: list[tuple[int, float]]
    """(candidate, share of a failure) of those that would have failed, at least in part."""


def judged(
    levels: Sequence[float], cautious: float, peak: float, seconds: float, blur: float, largest: float,
) -> Hindsight:
    """What the candidates would have cost; `levels`, `cautious` and the `largest` peak as they were known before."""
    retry = retry_of(peak, cautious, largest)
    above, width = peak + blur, 2.0 * blur
    waste: list[float] = []
    failed: list[tuple[int, float]] = []
    for value in levels:
        for margin in MARGINS:
            allocation = min(value * margin, cautious)
            if allocation >= above or allocation >= cautious >= peak:
                waste.append((allocation - peak) * seconds)
                continue
            share = min((above - allocation) / width, 1.0)
            failed.append((len(waste), share))
            waste.append((allocation + share * retry - peak) * seconds)
    if cautious < peak:
        failed.append((CAUTIOUS, 1.0))
    waste.append((cautious - peak if cautious >= peak else cautious + retry - peak) * seconds)
    return Hindsight(waste, failed)


def retry_of(peak: float, cautious: float, largest: float) -> float:
    """a': just more than the largest peak known, or the cautious allocation; where neither holds the task, its peak."""
    retry = min(largest * MARGIN, cautious)
    return retry if retry >= peak else max(cautious, peak)


def blur_of(peak: float, recent: Sequence[float], spread: float, tuning: Tuning) -> float:
    """b, in the resource's unit: none where peaks repeat exactly, more where they lie far apart.

    `recent` are the peaks before, oldest first; `spread` is the deviation of their logarithms.
    """
    gaps = sorted(abs(peak - p) for p in recent[-_NEIGHBOURS:])
    near = gaps[min(_NEIGHBOUR, len(gaps) - 1)]
    return max(min(tuning.blur * near, tuning.most_blur * spread * peak), _LEAST_BLUR * peak)
