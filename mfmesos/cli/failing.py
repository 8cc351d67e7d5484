"""Ends a command after an error that the user can fix."""
from __future__ import annotations

import sys
from typing import NoReturn

from mfmesos.shared.terminal import say


def fail(text: str) -> NoReturn:
    """Print one line on stderr and exit with 1."""
    say(text)
    sys.exit(1)
