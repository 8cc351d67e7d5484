"""How a command ends that the user can mend."""
from __future__ import annotations

import sys
from typing import NoReturn

from mfmesos.shared.terminal import say


def fail(text: str) -> NoReturn:
    """One line on stderr, exit 1."""
    say(text)
    sys.exit(1)
