"""Lines for the user on stderr. A terminal that was closed, or a reader that went away, ends nothing of a run."""
from __future__ import annotations

import contextlib
import signal
import sys

HANGUPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def say(text: str) -> None:
    """"mfmesos: TEXT", at once."""
    line(f"mfmesos: {text}")


def line(text: str) -> None:
    """TEXT on one line, at once; names in it that are not fit for a terminal are escaped."""
    shown = text if text.isprintable() else "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    with contextlib.suppress(OSError, ValueError):
        print(shown, file=sys.stderr, flush=True)


def ending_signals() -> tuple[signal.Signals, ...]:
    """What is to end a run in order: a terminal's keys, its end, and `kill`; not what the user's shell has set to be
    ignored, as nohup does."""
    return tuple(number for number in HANGUPS if signal.getsignal(number) is not signal.SIG_IGN)
