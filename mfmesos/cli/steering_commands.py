"""The commands that change what a run does with single tasks: cancel, retry, hold, release, set."""
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.cli.run_place import folder_and_words
from mfmesos.cli.run_sources import FolderRun, Sources
from mfmesos.shared import bounds
from mfmesos.shared.messages import steering as m

F = TypeVar("F", bound=Callable[..., Any])
WORDS = "[FOLDER] TASK..."
OPTIONS = {"memory": "memory_mb", "disk": "disk_mb"}


def amount_options(command: F) -> F:
    """For `set` and `retry`."""
    for option in reversed((
        click.option("--cores", type=Number(bounds.BOUND), metavar="N", help="Request N cores."),
        click.option("--memory", type=Number(bounds.BOUND), metavar="MB", help="Request MB of memory."),
        click.option("--disk", type=Number(bounds.BOUND), metavar="MB", help="Request MB of disk."),
        click.option("--priority", type=Number(bounds.PRIORITY), metavar="N",
                     help="Start tasks of higher priority first, in a run with --order priority."),
    )):
        command = option(command)
    return command


@click.command()
@click.argument("words", nargs=-1, required=True, metavar=WORDS)
def cancel(words: tuple[str, ...]) -> None:
    """Cancel tasks of a live run.

    Their attempts are ended, and what needs their outputs does not run. The next run of the same command runs them.
    makeflow sees a cancelled task as failed.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N.
    """
    _ask("cancel", words)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar=WORDS)
@amount_options
def retry(words: tuple[str, ...], **options: float | None) -> None:
    """Run tasks of a live run again.

    For tasks that have failed or were cancelled, and for running ones, whose attempts are ended. Only mfmesos run can
    run a failed task again.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N.
    """
    _ask("retry", words, options)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar=WORDS)
def hold(words: tuple[str, ...]) -> None:
    """Keep waiting tasks of a live run from starting.

    A task that runs continues. The run does not end before its held tasks are released or cancelled.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N.
    """
    _ask("hold", words)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar=WORDS)
def release(words: tuple[str, ...]) -> None:
    """Let held tasks start.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N.
    """
    _ask("release", words)


@click.command("set")
@click.argument("words", nargs=-1, required=True, metavar=WORDS)
@amount_options
def set_(words: tuple[str, ...], **options: float | None) -> None:
    """Change what waiting tasks of a live run request.

    A task that runs keeps what it has; the change counts if it has to run again.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N.
    """
    if not any(value is not None for value in options.values()):
        fail(m.SET_NOTHING())
    _ask("set", words, options)


COMMANDS = (cancel, retry, hold, release, set_)


def _ask(name: str, words: tuple[str, ...], options: Mapping[str, float | None] | None = None) -> None:
    """One question for each task; those that are refused make the exit code 1."""
    from mfmesos.control.control_client import ControlError

    changes = {OPTIONS.get(key, key): value for key, value in (options or {}).items() if value is not None}
    folder, texts = folder_and_words(words)
    refused, run = False, FolderRun(folder)
    with Sources(run) as sources:
        try:
            run.client()
        except ControlError as e:
            fail(str(e))
        for number in dict.fromkeys(map(sources.number, texts)):
            try:
                for line in run.asked(name, task=number, **changes):
                    click.echo(line)
            except ControlError as e:
                refused = True
                click.echo(str(e), err=True)
    sys.exit(1 if refused else 0)
