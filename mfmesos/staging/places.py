"""Where large inputs lie on this machine, for executors that run here as well: see shared/samehost.py."""
from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from mfmesos.core.model import StagedInput
from mfmesos.shared.samehost import LEAST_BYTES, Place, kernel, place_of
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.stamps import settled, young

MOST_HASHED = 8 << 30
"""A larger file whose digest is wanted is hashed while it is sent: the executor would not wait for the digest."""


MOST_FIRST = 8
"""Of the files that are named to an executor that is still starting."""


def first_places(inputs: InputIndex, some: Iterable[StagedInput]) -> list[Place]:
    """Of the large ones of these inputs (blocking). Whether they are unchanged is found out when an attempt asks for
    them: what was copied from the same place counts then.
    """
    found: list[Place] = []
    for staged in some:
        with contextlib.suppress(OSError):
            place = _look(inputs, staged)
            if place is not None and len(found) < MOST_FIRST:
                found.append(place)
    return found


def find_place(inputs: InputIndex, staged: StagedInput) -> Place | None:
    """The place of an unchanged file (blocking); None if it must be sent. Raises like InputIndex.verify."""
    if inputs.lacks_digest(staged) and staged.size > MOST_HASHED:
        return None
    place, digest = _look(inputs, staged), ""
    if place is None:
        return None
    inputs.verify(staged)
    if inputs.lacks_digest(staged):
        digest = inputs.look(staged.name).digest
    # The same before and after: then what the executor copies while it stays so is what was verified.
    if place_of(place.path, os.stat(inputs.path_of(staged.name)), place.kernel) != place:
        return None
    if digest:
        inputs.learn_late(staged, digest)
    return place


def _look(inputs: InputIndex, staged: StagedInput) -> Place | None:
    here = kernel()
    if staged.kind != "file" or staged.temporary or staged.url or staged.size < LEAST_BYTES or not here:
        return None
    path = os.path.realpath(inputs.path_of(staged.name))
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or (young(found.st_mtime_ns) and not settled(found)):
        return None  # it might change without a trace
    return place_of(path, found, here)
