"""The commands for the history of attempts, from which estimates learn."""
from __future__ import annotations

import functools
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.shared import bounds
from mfmesos.shared.messages import cli as m
from mfmesos.shared.phrases import counted, without_controls

if TYPE_CHECKING:
    from mfmesos.core.attempt_record import Attempt

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def history() -> None:
    """Show, export, import or prune what earlier tasks used."""


def _command(function: F) -> Any:
    """A command of the group, with --history; an error that the user can fix becomes one line, exit code 1."""
    @functools.wraps(function)
    def run(**options: Any) -> None:
        from mfmesos.settings.config import ConfigError
        from mfmesos.store.history import HistoryError, default_path

        try:
            options["path"] = options["path"] or default_path()
            function(**options)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (ConfigError, HistoryError) as e:
            fail(str(e))
        except OSError as e:
            fail(m.HISTORY_OUTPUT_FAILED(file=e.filename or m.STANDARD_OUTPUT(), why=e.strerror or e))

    option = click.option("--history", "path", type=click.Path(path_type=Path), metavar="FILE",
                          help="Use this history (default: your own).")
    return history.command(name=function.__name__.strip("_").split("_")[0])(option(run))


@_command
@click.option("--category", metavar="NAME", help="Show this category alone, one line for each attempt.")
@click.option("--limit", type=Number(bounds.SOME), default=100_000, show_default=True, metavar="N",
              help="Show only the newest N attempts.")
def list_(path: Path, category: str | None, limit: int) -> None:
    """Show one line for each category, or for each attempt of one."""
    with existing(path) as store:
        attempts = store.load(limit, category)
        dropped = store.dropped
    if category is None:
        for line in summary(attempts):
            click.echo(line)
    else:
        for line in details(attempts):
            click.echo(line)
    click.echo(m.SHOWN_ATTEMPTS(attempts=counted(len(attempts), "attempt"), path=path), err=True)
    if dropped:
        click.echo(m.ATTEMPTS_LEFT_OUT(attempts=counted(dropped, "attempt")), err=True)


@_command
@click.argument("file", metavar="FILE.csv|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--category", metavar="NAME", help="Export this category alone.")
def export(path: Path, file: Path, category: str | None) -> None:
    """Write the history as CSV, oldest first.

    An existing file is not overwritten; - is standard output.
    """
    from mfmesos.settings.config import ConfigError
    from mfmesos.store import history_csv

    with existing(path) as store:
        attempts = store.load(category=category)
    if str(file) == "-":
        history_csv.write(attempts, sys.stdout)
        return
    try:
        out = file.open("x", newline="", encoding="utf-8")
    except FileExistsError:
        raise ConfigError(m.EXPORT_EXISTS(file=file)) from None
    try:
        with out:
            history_csv.write(attempts, out)
    except OSError as e:
        file.unlink()
        raise ConfigError(m.EXPORT_FAILED(file=file, why=e.strerror)) from None


@_command
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
def import_(path: Path, file: Path) -> None:
    """Add the attempts of an export or of a trace, all or none.

    Attempts that the history already has are not added again. A trace has at least the columns category, peak_mb and
    seconds; declared_mb, input_mb and end_s are used as well.
    """
    from mfmesos.settings.config import ConfigError
    from mfmesos.store import history_csv
    from mfmesos.store.history import History

    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            attempts = history_csv.parse(lines, str(file), time.time(), file.stem)
    except UnicodeDecodeError:
        raise ConfigError(m.IMPORT_NOT_TEXT(file=file)) from None
    with History(path) as store:
        known = set(store.load())
        new = [a for a in attempts if a not in known]
        store.add(new)
        store.fade()
        faded = len(known) + len(new) - len(store.load())
    imported = counted(len(new), "attempt")
    click.echo(m.IMPORTED(attempts=imported, path=path) if len(new) == len(attempts)
               else m.IMPORTED_SOME(attempts=imported, path=path, known=len(attempts) - len(new)))
    if faded > 0:
        click.echo(m.OLDEST_REMOVED(count=faded), err=True)


@_command
@click.option("--older-than", type=Number(bounds.DAYS), metavar="DAYS",
              help="Remove attempts that ended more than DAYS days ago.")
@click.option("--category", metavar="NAME", help="Remove attempts of this category.")
@click.option("--all", "everything", is_flag=True, help="Remove all attempts.")
def prune(path: Path, older_than: float | None, category: str | None, everything: bool) -> None:
    """Remove attempts for good.

    --older-than and --category together remove attempts that are both.
    """
    if everything == (older_than is not None or category is not None):
        raise click.UsageError(m.PRUNE_WHAT())
    with existing(path) as store:
        count = store.prune(older_than_s=None if older_than is None else older_than * 86400, category=category)
    click.echo(m.PRUNED(attempts=counted(count, "attempt"), path=path))


def existing(path: Path) -> Any:
    """The opened history; a missing history is not created just to be shown."""
    from mfmesos.store.history import History, HistoryError

    if not os.path.lexists(path):
        raise HistoryError(m.NO_HISTORY_YET(path=path))
    return History(path, reading=True)


def summary(attempts: Sequence[Attempt]) -> list[str]:
    """A table with one line per category: attempts, exhausted attempts, memory, run time, last day."""
    from statistics import median

    groups: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        groups[attempt.category].append(attempt)
    lines = [f"{'attempts':>8} {'exhausted':>9} {'median MB':>9} {'most MB':>9} {'median s':>9} {'last':10}  category"]
    for name, group in sorted(groups.items()):
        ended = [a for a in group if a.outcome == "finished"]
        memory = [a.measured_memory_mb for a in ended if a.measured_memory_mb is not None]
        times = [a.wall_s for a in ended if a.wall_s is not None]
        exhausted = sum(a.outcome.startswith("exhausted:") for a in group)
        last = time.strftime("%Y-%m-%d", time.localtime(group[-1].ended_at))
        lines.append(f"{len(group):8} {exhausted:9} {_amount(median(memory) if memory else None):>9} "
                     f"{_amount(max(memory, default=None)):>9} {_amount(median(times) if times else None):>9} {last}  "
                     f"{without_controls(name)}")
    return lines if groups else []


def details(attempts: Sequence[Attempt]) -> list[str]:
    """A table of attempts, oldest first."""
    lines = [f"{'ended':19} {'input MB':>9} {'given MB':>9} {'used MB':>9} {'cores':>6} {'seconds':>9} "
             f"{'outcome':16}  workflow"]
    for a in attempts:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(a.ended_at))
        lines.append(f"{when} {_amount(a.input_mb):>9} {_amount(a.allocated_memory_mb):>9} "
                     f"{_amount(a.measured_memory_mb):>9} {_amount(a.measured_cores):>6} {_amount(a.wall_s):>9} "
                     f"{a.outcome:16}  {without_controls(a.workflow)}")
    return lines if attempts else []


def _amount(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

