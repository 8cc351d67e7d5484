"""The progress of a run: one live line by state on a terminal, otherwise plain lines with the time."""
from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Callable

from mfmesos.core.snapshot import Counts
from mfmesos.shared import terminal
from mfmesos.shared.phrases import duration, printable

if TYPE_CHECKING:
    from rich.text import Text

PLAIN_EVERY_S = 10.0
"""At most one plain line in this time,"""
PLAIN_LEAST_S = 60.0
"""and one at least in this time, while there are tasks."""
WIDTH = 80
LEFT_BLANK = 18
"""Columns before a plain line of progress: "mfmesos: 12:34:56 "."""


def progress(force_plain: bool = False, elapsed_s: float = 0.0) -> PlainProgress | LiveProgress:
    """The progress display for this stderr, of a run that began `elapsed_s` ago."""
    if force_plain or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainProgress(elapsed_s=elapsed_s)
    return LiveProgress(elapsed_s)


class PlainProgress:
    """A line after changes, at most every PLAIN_EVERY_S seconds, at least every PLAIN_LEAST_S, and one at the end."""

    def __init__(
        self, echo: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], str] = lambda: time.strftime("%H:%M:%S"), elapsed_s: float = 0.0,
    ) -> None:
        self._echo = echo or terminal.line
        self._clock = clock
        self._time_of_day = time_of_day
        self._shown_at = clock()
        self._started = self._shown_at - elapsed_s
        self._shown = self._last = Counts()

    def update(self, counts: Counts) -> None:
        self._last = counts
        silent_s = self._clock() - self._shown_at
        alive = counts.running > 0 or counts.waiting > 0
        if (silent_s >= PLAIN_EVERY_S and counts != self._shown) or (silent_s >= PLAIN_LEAST_S and alive):
            self._say()

    def _say(self) -> None:
        self._shown, self._shown_at = self._last, self._clock()
        text = describe(self._last, self._clock() - self._started, WIDTH - LEFT_BLANK)
        self._echo(f"mfmesos: {self._time_of_day()} {text}")

    def note(self, text: str) -> None:
        self.line(f"mfmesos: {text}")

    def line(self, text: str) -> None:
        self._echo(text)

    def close(self) -> None:
        if self._last != self._shown:
            self._say()


class LiveProgress:
    """A bar coloured by state with counts, rate and the time left, redrawn in place."""

    def __init__(self, elapsed_s: float = 0.0) -> None:
        from rich.console import Console
        from rich.live import Live

        self._started = time.monotonic() - elapsed_s
        self._counts = Counts()
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=8, transient=False)
        self._live.start()

    def _render(self) -> Text:
        from rich.text import Text

        counts, text = self._counts, Text()
        width = max(min(self._console.width - WIDTH, 40), 5)
        parts = ((counts.finished, "green"), (counts.failed, "red"), (counts.running, "yellow"))
        drawn = 0
        for n, colour in parts:
            cells = round(width * n / counts.total) if counts.total else 0
            cells = min(max(cells, 1 if n else 0), width - drawn)
            text.append("━" * cells, style=colour)
            drawn += cells
        text.append("━" * (width - drawn), style="bright_black")
        text.append(" " + describe(counts, time.monotonic() - self._started, self._console.width - width - 2))
        text.no_wrap = True
        return text

    def update(self, counts: Counts) -> None:
        self._counts = counts

    def note(self, text: str) -> None:
        self.line(f"mfmesos: {text}")

    def line(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._console.print(printable(text, 0), markup=False, highlight=False)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._live.stop()


def describe(counts: Counts, elapsed_s: float, width: int = WIDTH) -> str:
    """"12/40 done, 4 running, 24 waiting (5 inputs, 19 room), 9 s left, 12 s, 3.1/s"; of what is too long for the width
    the last parts are left out.
    """
    ends = ", ".join((*([f"{counts.failed} failed"] if counts.failed else []),
                      *([f"{counts.withdrawn} withdrawn"] if counts.withdrawn else [])))
    text = f"{counts.ended}/{counts.total} done{f' ({ends})' if ends else ''}, {counts.running} running"
    text += f", {counts.waiting} waiting"
    for forms in _more(counts, elapsed_s):
        text += next((form for form in forms if len(text) + len(form) <= width), "")
    return text


def _more(counts: Counts, elapsed_s: float) -> list[tuple[str, ...]]:
    """The most important first, each with shorter forms. Rate and time left are those of this run: not of tasks that
    had finished before.
    """
    parts: list[tuple[str, ...]] = []
    others = counts.waiting - counts.for_inputs
    waits = [f"{counts.for_inputs} inputs"] if counts.for_inputs else []
    if others > 0 and counts.waits_for:
        waits.append(f"{others} {counts.waits_for}")
    if waits:
        parts.append((f" ({', '.join(waits)})", f" ({waits[-1]})"))
    rate = (counts.ended - counts.before) / elapsed_s if elapsed_s > 0 else 0.0
    left = counts.waiting + counts.running
    if left > 0 and (counts.left_s is not None or rate > 0):
        parts.append((f", {duration(counts.left_s if counts.left_s is not None else left / rate)} left",))
    if elapsed_s >= 1:
        parts.append((f", {duration(elapsed_s)}",))
    if rate > 0:
        parts.append((f", {rate:.1f}/s",))
    return parts
