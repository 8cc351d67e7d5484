"""What a pool's workers are started with beside their size; the names are those of cctools' factories."""
from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
PORTS = re.compile(r"(\d{1,5})(?::(\d{1,5}))?")


@dataclass(frozen=True)
class WorkerOptions:
    """Texts, or tuples of texts. Files are names on this machine; they travel with the worker."""

    feature: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    """NAME=VALUE."""
    wrapper: str = ""
    """A command that starts the worker: its words come before the worker's own."""
    wrapper_input: tuple[str, ...] = ()
    poncho_env: str = ""
    """An archive of a Conda environment, which poncho_package_run unpacks around the worker."""
    extra_options: str = ""
    transfer_port: str = ""
    """The port, or FIRST:LAST, at which TaskVine's workers listen for each other."""


NAMES = tuple(one.name for one in fields(WorkerOptions))
LISTS = ("feature", "env", "wrapper_input")
FILES = ("wrapper_input", "poncho_env")


def is_valid(name: str, value: Any) -> bool:
    """Whether a text is one that the option takes."""
    if not isinstance(value, str) or not value.isprintable():
        return False
    if name == "env":
        return NAME.fullmatch(value) is not None
    if name == "transfer_port" and value:
        ports = PORTS.fullmatch(value)
        return ports is not None and 0 < int(ports[1]) <= int(ports[2] or ports[1]) < 65536
    return True
