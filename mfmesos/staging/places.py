"""Where large inputs lie on this machine, for executors that run here as well: see shared/samehost.py."""
from __future__ import annotations

import os
import stat

from mfmesos.core.model import StagedInput
from mfmesos.shared.samehost import LEAST_BYTES, Place, kernel, place_of
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.stamps import settled, young

MOST_HASHED = 8 << 30
"""A larger file whose digest is wanted is hashed while it is sent: the executor would not wait for the digest."""


def find_place(inputs: InputIndex, staged: StagedInput) -> Place | None:
    """The place of an unchanged file (blocking); None if it must be sent. Raises like InputIndex.verify."""
    here = kernel()
    if staged.kind != "file" or staged.temporary or staged.size < LEAST_BYTES or not here:
        return None
    if inputs.lacks_digest(staged) and staged.size > MOST_HASHED:
        return None
    name, digest = inputs.path_of(staged.name), ""
    path = os.path.realpath(name)
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or (young(found.st_mtime_ns) and not settled(found)):
        return None  # it might change without a trace
    place = place_of(path, found, here)
    inputs.verify(staged)
    if inputs.lacks_digest(staged):
        digest = inputs.look(staged.name).digest
    # The same before and after: then what the executor copies while it stays so is what was verified.
    if place_of(path, os.stat(name), here) != place:
        return None
    if digest:
        inputs.learn_late(staged, digest)
    return place
