"""Large inputs from the workflow's folder itself, and large outputs into it, where the scheduler runs on this machine:
see shared/samehost.py.
"""
from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import Callable, Sequence

from mfmesos.shared.samehost import LEAST_BYTES, Place, load_folder, load_place, name_of
from mfmesos.shared.wire import FINISHED, Input, Result, Run
from mfmesos.shared.wire_checks import WireError
from mfmesos_executor.client import Cancelled, Client, Refused, Unreachable
from mfmesos_executor.copying import copy_of, new_file
from mfmesos_executor.files import unlink
from mfmesos_executor.first_copies import FirstCopies
from mfmesos_executor.outputs import Member
from mfmesos_executor.shared_folders import copy_outputs


class SameHost:
    """A source of inputs; what it cannot prove to be right comes from the next one."""

    def __init__(self, client: Client, first: FirstCopies | None = None) -> None:
        self._client = client
        self._first = first or FirstCopies()

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        """As Source.fetch; never raises but Cancelled."""
        if item.kind != "file" or item.url or item.size < LEAST_BYTES:
            return False
        try:
            answer = self._client.place(item.digest)
            place = load_place(answer) if answer else None
        except (Unreachable, Refused, WireError):
            return False
        if place is None or not place.is_here() or place.size != item.size:
            return False
        done = False
        try:
            done = self._first.take(place, path, partial(_look, cancelled)) or _copy(place, path, cancelled)
        except OSError:
            pass  # not for this user, not here, or no room: the next source finds out
        finally:
            if not done:
                with contextlib.suppress(OSError):
                    unlink(path)
        return done


def _copy(place: Place, path: str, cancelled: Callable[[], bool]) -> bool:
    """Whether a copy of that version is at `path`. Raises Cancelled, OSError."""
    target = new_file(path)
    try:
        return copy_of(place, target, partial(_look, cancelled))
    finally:
        os.close(target)


def _look(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled


def place_outputs(members: Sequence[Member], run: Run, result: Result, client: Client,
                  cancelled: Callable[[], bool]) -> dict[str, str] | None:
    """Copy the outputs of a finished attempt to where the scheduler looks for them; None if they must be sent: small
    ones, folders and links, or since the scheduler is elsewhere. Otherwise by output, for large ones, the name of the
    version that lies there. Raises Cancelled.
    """
    if result.outcome != FINISHED or any(member.is_dir or member.target for member in members) or (
            sum(member.size for member in members) < LEAST_BYTES):
        return None
    try:
        answer = client.folder(run.attempt)
        folder = load_folder(answer) if answer else None
        if folder is None or not folder.is_mine() or (folder.digests and run.keep):
            return None
        places = copy_outputs(members, folder.stem, cancelled)
        found = {name: os.stat(path) for name, path in places.items()}
    except (Unreachable, Refused, WireError, OSError):
        return None  # sending finds out what is wrong
    result.placed = True
    return {name: name_of(one) for name, one in found.items() if one.st_size >= LEAST_BYTES}
