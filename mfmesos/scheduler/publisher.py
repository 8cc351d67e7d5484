"""Has delivered outputs published: at once where that is quick, in the background where it takes long."""
from __future__ import annotations

import asyncio
from typing import Callable

from mfmesos.core import events as ev
from mfmesos.staging.publish_errors import PublishError
from mfmesos.staging.server import StagingServer


class Publisher:
    """Lives in the scheduler's loop; `post` gets the outcome as an event."""

    def __init__(self, post: Callable[..., None]) -> None:
        self._post = post
        self._running: set[asyncio.Task[None]] = set()

    def publish(self, staging: StagingServer, attempt_id: str) -> None:
        if not staging.publishes_quickly(attempt_id):
            task = asyncio.get_running_loop().create_task(self._slowly(staging, attempt_id))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return
        try:
            staging.publish_outputs(attempt_id)
        except PublishError as e:
            self._refused(attempt_id, e)
        else:
            self._post(ev.OutputsPublished(attempt_id))

    async def _slowly(self, staging: StagingServer, attempt_id: str) -> None:
        """Folders, and outputs on another file system: they are copied in a thread."""
        try:
            await staging.publish(attempt_id)
        except PublishError as e:
            self._refused(attempt_id, e)
        else:
            self._post(ev.OutputsPublished(attempt_id))

    def _refused(self, attempt_id: str, error: PublishError) -> None:
        self._post(ev.OutputsRefused(attempt_id, error.reason, error.local, error.full))
