"""Why an input is not available as its task states it."""
from __future__ import annotations

from pathlib import Path

from mfmesos.shared.messages import staging as m


class InputError(Exception):
    """An input is not available as stated; the text is one plain line for the user."""


class MissingInputs(InputError):
    """Inputs that do not exist."""

    def __init__(self, names: tuple[str, ...], workdir: Path) -> None:
        shown = ", ".join(names)
        super().__init__(m.INPUT_MISSING(name=shown, workdir=workdir) if len(names) == 1
                         else m.INPUTS_MISSING(names=shown, workdir=workdir))
        self.names = names


class InputChanged(InputError):
    """The input has changed since its task was submitted."""
