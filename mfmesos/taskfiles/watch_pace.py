"""How often a watch looks at its files, and whether notifications of inotify are worth their cost. Pure; seconds."""
from __future__ import annotations

ONLY_POLLED_S = 0.25
"""Between polls while the poll is the only means (no inotify watch available, a network file system)."""
MISSED = 3
"""When only the poll has found this many changes in a row, notifications do not work here."""
BUSY, BUSY_S = 30, 0.2
"""More changes than BUSY within BUSY_S: a notification for each costs more than it is worth (docs/performance.md, Task
files)."""
BUSY_POLL_S = 0.005
"""Between polls while changes come that fast."""
CALM_S = 0.3
"""After this time without a change notifications are worth their cost again."""


class Pace:
    """Decides for one watch. Times are of one monotonic clock.

    `notifying`, where asked for, is whether the watch has an inotify watch now.
    """

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._unavailable = False
        self._missed = 0
        """Changes in a row that only the poll has found."""
        self._burst, self._burst_began = 0, 0.0
        """Changes that came close together, and when the first of them came."""
        self._busy_until = 0.0
        """0: not busy. The end takes effect at the first poll after it."""

    def polls_only(self, notifying: bool) -> bool:
        """Whether the poll is the only means."""
        return not notifying or self._missed >= MISSED

    def pause(self, notifying: bool) -> float:
        """Until the next poll."""
        if self._busy_until:
            return BUSY_POLL_S
        return min(self._poll_s, ONLY_POLLED_S) if self.polls_only(notifying) else self._poll_s

    def notified(self) -> None:
        """A notification of one of the files came."""
        self._missed = 0

    def missed(self) -> bool:
        """A poll has found a change that no notification reported. True: it is now clear that none will come."""
        if self._missed == MISSED:
            return False
        self._missed += 1
        return self._missed == MISSED

    def unavailable(self) -> None:
        """No inotify watch can be had: never ask for one again."""
        self._unavailable = True

    def changes(self, now: float) -> bool:
        """Changes came, found in one round. True: from now on polls find them at less cost than notifications."""
        if now - self._burst_began > BUSY_S:
            self._burst, self._burst_began = 0, now
        self._burst += 1
        if self._busy_until or self._burst > BUSY:
            self._busy_until = now + CALM_S
        return self._busy_until > 0

    def may_notify(self, now: float) -> bool:
        """At a poll: whether an inotify watch is worth having, where none is."""
        if now >= self._busy_until:
            self._busy_until = 0.0
        return not self._unavailable and not self._busy_until
