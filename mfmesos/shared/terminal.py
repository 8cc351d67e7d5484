"""Lines for the user on stderr. A closed terminal or a missing reader never ends a run."""
from __future__ import annotations

import contextlib
import signal
import sys

from mfmesos.shared.phrases import printable

HANGUPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def say(text: str) -> None:
    """Print "mfmesos: TEXT" at once."""
    line(f"mfmesos: {text}")


def line(text: str) -> None:
    """Print TEXT as one line, at once; control characters in names are escaped."""
    with contextlib.suppress(OSError, ValueError):
        print(printable(text, 0), file=sys.stderr, flush=True)


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a run in order: from the terminal's keys, from its hangup, from `kill`. Signals that the
    user's shell ignores (nohup) are left out.
    """
    return tuple(number for number in HANGUPS if signal.getsignal(number) is not signal.SIG_IGN)
