"""How a command ends that the user can mend."""
from __future__ import annotations

import sys
from typing import NoReturn

import click


def fail(text: str) -> NoReturn:
    """One line on stderr, exit 1."""
    click.echo(f"mfmesos: {text}", err=True)
    sys.exit(1)
