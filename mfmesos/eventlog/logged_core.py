"""A core that logs each of its calls: what goes in, before; what comes out, after."""
from __future__ import annotations

import base64
import json
import logging
import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mfmesos import __version__
from mfmesos.core.actions import Action
from mfmesos.core.core import Core
from mfmesos.core.events import Event
from mfmesos.core.needs import Needs
from mfmesos.core.policy import Policy
from mfmesos.eventlog.checkpoint import dumped
from mfmesos.eventlog.plain_values import encoded
from mfmesos.eventlog.segments import KEPT, SEGMENT_BYTES, SegmentWriter

log = logging.getLogger("mfmesos.eventlog")
FORMAT = 1


class LoggedCore(Core):
    """The log is opened by the first call, in `folder`; `close` writes the rest of it."""

    def __init__(
        self, policy: Policy, needs: Needs, folder: Path, segment_bytes: int = SEGMENT_BYTES, kept: int = KEPT,
        clusters: Sequence[str] = ("",),
    ) -> None:
        super().__init__(policy, needs, clusters)
        self._new_writer = partial(SegmentWriter, folder, segment_bytes, kept)
        self._writer: SegmentWriter | None = None

    def handle_all(self, batch: tuple[Event, ...], now: float) -> list[Action]:
        writer = self._writer
        if writer is None:
            writer = self._writer = self._new_writer()
            self._begin(writer, fresh=True)
        if writer.problem or writer.behind:
            return super().handle_all(batch, now)
        if writer.full:
            self._begin(writer, fresh=False)
        writer.add(f'{{"in":{now!r},"events":{encoded(batch)}}}'.encode())
        out = super().handle_all(batch, now)
        writer.add(f'{{"out":{encoded(out)}}}'.encode())
        return out

    def _begin(self, writer: SegmentWriter, *, fresh: bool) -> None:
        head = {"mfmesos_events": FORMAT, "version": __version__, "python": platform.python_version()}
        state = "" if fresh else base64.b64encode(dumped(self.state)).decode()
        writer.begin(json.dumps(head).encode(),
                     f'{{"policy":{encoded(self.state.policy)},"clusters":{json.dumps([*self.state.clusters])},'
                     f'"state":"{state}"}}'.encode())

    def close(self) -> None:
        """The run has ended or crashed."""
        if self._writer is not None:
            self._writer.close()
            if self._writer.problem:
                log.warning("event=event_log_ended why=%s", self._writer.problem)
