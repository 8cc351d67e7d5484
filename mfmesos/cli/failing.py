"""Ends a command after an error that its user can fix."""
from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from mfmesos.shared.plainerrors import plain
from mfmesos.shared.terminal import say


def fail(text: str) -> NoReturn:
    """Print one line on stderr and exit with 1."""
    say(text)
    sys.exit(1)


@contextlib.contextmanager
def bad_usage() -> Iterator[None]:
    """An option whose value is invalid ends the command as bad usage, with that line."""
    try:
        yield
    except (ValueError, OSError) as e:
        raise click.BadParameter(plain(e)) from None
