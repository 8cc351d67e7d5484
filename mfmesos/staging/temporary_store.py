"""The scheduler's copies of temporary outputs, by digest, in .mfmesos/temporary: for tasks that run elsewhere."""
from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path
from typing import Callable

from mfmesos import aio
from mfmesos.shared.disk import remove_tree
from mfmesos.shared.messages import streams as m
from mfmesos.staging.bodies import Blocking, has_room, stored_body
from mfmesos.staging.refusals import Refused


class TemporaryStore:
    """Belongs to the loop's thread. `arrived(digest)` is called for each complete copy."""

    def __init__(self, workdir: Path, arrived: Callable[[str], None]) -> None:
        self.folder = workdir / ".mfmesos" / "temporary"
        self._arrived = arrived
        self._expected: dict[tuple[str, str], int] = {}
        self._numbers = itertools.count()

    def start(self, resume: bool) -> None:
        """Leftovers of another run are removed."""
        if not resume:
            self.stop()

    def stop(self) -> None:
        remove_tree(str(self.folder))

    def path(self, digest: str) -> str:
        return f"{self.folder}/{digest}"

    def expect(self, claim_id: str, digest: str, size: int) -> None:
        """The claim may send it from now on."""
        self._expected[claim_id, digest] = size

    def drop(self, digest: str) -> None:
        """Nobody needs it any more."""
        for key in [key for key in self._expected if key[1] == digest]:
            del self._expected[key]
        remove_tree(self.path(digest))

    def close_claim(self, claim_id: str) -> None:
        for key in [key for key in self._expected if key[0] == claim_id]:
            del self._expected[key]

    async def receive(self, request: aio.web.Request, claim_id: str, digest: str, blocking: Blocking,
                      idle_s: float) -> None:
        """Store the request's body, whose digest must be that one. Raises Refused."""
        size = self._expected.get((claim_id, digest))
        if size is None:
            raise Refused(404, m.TEMPORARY_NOT_EXPECTED())
        if request.content_length != size:
            raise Refused(400, m.TEMPORARY_SIZE())
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not has_room(self.folder, size):
            raise Refused(413, m.TEMPORARY_NO_ROOM())
        part = f"{self.path(digest)}.{next(self._numbers)}"  # it may be arriving twice, after a lost connection
        total = hashlib.sha256()
        try:
            await stored_body(request, part, blocking, idle_s, total.update)
            if total.hexdigest() != digest:
                raise Refused(400, m.TEMPORARY_DAMAGED())
            os.rename(part, self.path(digest))
        except OSError as e:
            raise Refused(413, m.TEMPORARY_NO_ROOM()) from e
        finally:
            remove_tree(part)
        if self._expected.pop((claim_id, digest), None) is None:
            remove_tree(self.path(digest))  # dropped meanwhile
        else:
            self._arrived(digest)
