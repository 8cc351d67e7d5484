"""The sandboxes of failed attempts that executors have sent, see mfmesos.shared.failed_sandboxes."""
from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path

from mfmesos import aio
from mfmesos.core import attemptid
from mfmesos.shared.disk import remove_tree
from mfmesos.shared.failed_sandboxes import FOLDER, MOST, name_of
from mfmesos.shared.messages import streams as m
from mfmesos.staging.bodies import Blocking, has_room, stored_body
from mfmesos.staging.refusals import Refused

SLACK_BYTES = 1 << 20
"""For the names of what was left out."""
PART = "part-"


class SandboxStore:
    """Belongs to the loop's thread. `most_mb`: of one sandbox; 0: none is accepted."""

    def __init__(self, workdir: Path, most_mb: float) -> None:
        self._folder = workdir / ".mfmesos" / FOLDER
        self._most_bytes = int(most_mb * (1 << 20)) + SLACK_BYTES if most_mb else 0
        self._numbers = itertools.count()

    def start(self, resume: bool) -> None:
        """The sandboxes of another run are removed."""
        if not resume:
            remove_tree(str(self._folder))
        elif self._folder.is_dir():
            for left in self._folder.glob(f"{PART}*"):
                remove_tree(str(left))

    async def receive(self, request: aio.web.Request, attempt_id: str, blocking: Blocking, idle_s: float) -> None:
        """Store the request's body, and remove what is beyond the newest MOST. Raises Refused."""
        if not self._most_bytes:
            raise Refused(404, m.SANDBOX_NOT_WANTED())
        size = request.content_length
        if size is None or size > self._most_bytes:
            raise Refused(413, m.SANDBOX_TOO_LARGE())
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if not has_room(self._folder, size):
            raise Refused(413, m.TEMPORARY_NO_ROOM())
        known = attemptid.parsed(attempt_id)
        part = self._folder / f"{PART}{next(self._numbers)}"
        try:
            await stored_body(request, str(part), blocking, idle_s, lambda data: None)
            os.rename(part, self._folder / name_of(known.task, known.number))
            await blocking(self._remove_old)
        except OSError as e:
            raise Refused(413, m.TEMPORARY_NO_ROOM()) from e
        finally:
            remove_tree(str(part))

    def _remove_old(self) -> None:
        """Blocking; perhaps in several threads at once."""
        found = []
        for path in self._folder.glob("*.tar"):
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime_ns, path))
        for _, path in sorted(found, reverse=True)[MOST:]:
            path.unlink(missing_ok=True)
