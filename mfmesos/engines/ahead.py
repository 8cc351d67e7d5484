"""What engines show of the time to come; asked of the core only now and then, since that looks at all claims."""
from __future__ import annotations

from mfmesos.engines.host import Host

EVERY_S = 2.0


class Ahead:
    """`left_s` and `waits_for`, as Counts has them, EVERY_S old at most."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._looked_at = -1e9
        self.left_s: float | None = None
        self.waits_for = ""

    def look(self) -> None:
        now = self._host.clock()
        if now - self._looked_at >= EVERY_S:
            self._looked_at = now
            self.left_s = self._host.seconds_left()
            self.waits_for = self._host.waits_for()
