"""EASY backfilling with the shortest first (SJBF, Tsafrir, Etsion and Feitelson, 2007).

Of the tasks that may start before the planned one those start first that are expected to be the shortest, by their
usual run times. So the mean wait is short. In exchange more is idle until a planned start than if that time is packed
(core.beside), and it is late more often, by what tasks run longer than usual.
"""
from __future__ import annotations

from mfmesos.core.policies.easy import Easy


class ShortestFirst(Easy):
    packs = False
    cautious = False
