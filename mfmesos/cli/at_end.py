"""--at-end: a command of the user's own when a run has ended, for a mail or a webhook."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import click

from mfmesos.settings.config import SECRET_VARIABLE
from mfmesos.shared.messages import cli as m
from mfmesos.shared.plainerrors import plain

AT_END = click.option(
    "--at-end", default="", metavar="COMMAND",
    help="Run this shell command when the run has ended, with MFMESOS_EXIT_CODE and MFMESOS_FOLDER set.")


def with_end(command: str, folder: Path, call: Callable[[], int], echo: Callable[[str], None]) -> int:
    """The exit code of `call`, which is the run's whatever the command does. A run that ends with an error of its own,
    by which nothing was started, has no end.
    """
    code = call()
    if command:
        import subprocess

        environ = {name: value for name, value in os.environ.items() if name != SECRET_VARIABLE}
        environ.update(MFMESOS_EXIT_CODE=str(code), MFMESOS_FOLDER=str(folder))
        try:
            ended = subprocess.run(command, shell=True, cwd=folder, env=environ, stdin=subprocess.DEVNULL, check=False)
        except OSError as e:
            echo(m.AT_END_FAILED(why=plain(e)))
        else:
            if ended.returncode:
                echo(m.AT_END_FAILED(why=m.AT_END_CODE(code=ended.returncode)))
    return code
