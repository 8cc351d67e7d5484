"""The progress of a run: one live line by state on a terminal, otherwise plain lines from time to time."""
from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Callable

from mfmesos.core.snapshot import Counts
from mfmesos.shared import terminal
from mfmesos.shared.phrases import duration

if TYPE_CHECKING:
    from rich.text import Text

PLAIN_EVERY_S = 10.0


def progress(force_plain: bool = False) -> PlainProgress | LiveProgress:
    """The progress display for this stderr."""
    if force_plain or not sys.stderr.isatty():
        return PlainProgress()
    return LiveProgress()


class PlainProgress:
    """A line after changes, at most every PLAIN_EVERY_S seconds, and one at the end."""

    def __init__(self, echo: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._echo = echo or terminal.line
        self._clock = clock
        self._started = self._shown_at = clock()
        self._shown = self._last = Counts()

    def update(self, counts: Counts) -> None:
        self._last = counts
        if counts != self._shown and self._clock() - self._shown_at >= PLAIN_EVERY_S:
            self._say()

    def _say(self) -> None:
        self._shown, self._shown_at = self._last, self._clock()
        self._echo("mfmesos: " + describe(self._last, self._clock() - self._started))

    def note(self, text: str) -> None:
        self._echo(f"mfmesos: {text}")

    def close(self) -> None:
        if self._last != self._shown:
            self._say()


class LiveProgress:
    """A bar coloured by state with counts, rate and the time left, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._started = time.monotonic()
        self._counts = Counts()
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=8, transient=False)
        self._live.start()

    def _render(self) -> Text:
        from rich.text import Text

        counts, text = self._counts, Text()
        width = max(min(self._console.width - 70, 40), 10)
        parts = ((counts.finished, "green"), (counts.failed, "red"), (counts.running, "yellow"))
        drawn = 0
        for n, colour in parts:
            cells = round(width * n / counts.total) if counts.total else 0
            cells = min(max(cells, 1 if n else 0), width - drawn)
            text.append("━" * cells, style=colour)
            drawn += cells
        text.append("━" * (width - drawn), style="bright_black")
        text.append(" " + describe(counts, time.monotonic() - self._started))
        text.no_wrap = True
        return text

    def update(self, counts: Counts) -> None:
        self._counts = counts

    def note(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._console.print(f"mfmesos: {text}", markup=False, highlight=False)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._live.stop()


def describe(counts: Counts, elapsed_s: float) -> str:
    """"12/40 done, 4 running, 24 waiting, 3.1/s, about 9 s left"."""
    text = f"{counts.ended}/{counts.total} done"
    if counts.failed:
        text += f" ({counts.failed} failed)"
    text += f", {counts.running} running, {counts.waiting} waiting"
    if counts.ended and elapsed_s > 0:
        rate = counts.ended / elapsed_s
        text += f", {rate:.1f}/s"
        if counts.ended < counts.total:
            left = counts.left_s if counts.left_s is not None else (counts.total - counts.ended) / rate
            text += f", about {duration(left)} left"
    return text
