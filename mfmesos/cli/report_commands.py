"""The commands that make something of a run's record: report, export."""
from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared import bounds
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.plainerrors import plain

if TYPE_CHECKING:
    from mfmesos.views.run_facts import RunFacts

FOLDER = click.argument("folder", required=False, default=".", metavar="FOLDER",
                        type=click.Path(exists=True, file_okay=False, path_type=Path))
RUN = click.option("--run", "number", type=Number(bounds.SOME), metavar="N",
                   help="Of run N of the folder (default: the last one).")


@click.command()
@FOLDER
@RUN
@click.option("-o", "--output", default="report.html", show_default=True, metavar="FILE",
              type=click.Path(dir_okay=False, path_type=Path), help="Write to FILE.")
def report(folder: Path, number: int | None, output: Path) -> None:
    """Write a report of a run: one HTML file that needs nothing else.

    It shows use, agents, categories, waste, failures, transfers, the critical path and all tasks.

    FOLDER is the folder of the workflow (default: the present one).
    """
    from mfmesos.shared import atomic
    from mfmesos.views.report_page import page

    facts = facts_of(folder, number)
    try:
        atomic.write(output, page(facts, folder.resolve().name, time.time()), mode=0o600)
    except OSError as e:
        fail(plain(e))
    click.echo(m.REPORT_WRITTEN(file=output, tasks=counted(len(facts.tasks), "task"), run=facts.run["run"]), err=True)


@click.command()
@FOLDER
@RUN
@click.option("--format", "kind", type=click.Choice(["wfcommons", "nextflow", "perfetto", "csv"]), required=True,
              help="WfCommons's WfFormat 1.5; a trace file of Nextflow; trace events for ui.perfetto.dev and Chrome; "
                   "or one line of CSV for each task.")
@click.option("-o", "--output", default="-", metavar="FILE",
              type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
              help="Write to FILE (default: standard output).")
def export(folder: Path, number: int | None, kind: str, output: Path) -> None:
    """Write a run for other programs.

    FOLDER is the folder of the workflow (default: the present one).
    """
    from mfmesos.shared import atomic
    from mfmesos.views import run_exports

    facts = facts_of(folder, number)
    try:
        pieces = run_exports.pieces(kind, facts, folder.resolve().name, lambda name: _size(folder / name))
        if str(output) == "-":
            sys.stdout.writelines(pieces)
            sys.stdout.flush()
            return
        with atomic.replacing(output, mode=0o600) as new, new.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as e:
        fail(plain(e))


def _size(path: Path) -> int | None:
    """Bytes of a file; None: it is none."""
    try:
        return path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        return None


def facts_of(folder: Path, number: int | None) -> RunFacts:
    """All that is known of a run; ends the command with one line if it is unknown."""
    from mfmesos.store.run_reading import RunReader
    from mfmesos.store.run_tables import RecordError
    from mfmesos.views import run_facts

    try:
        with RunReader(folder / STATE_DIR) as reader:
            run = reader.last() if number is None else reader.run(number)
            if run is None:
                fail(m.NO_SUCH_RUN(folder=folder.resolve(), run=number or 1))
            return run_facts.load(reader, run)
    except RecordError as e:
        fail(str(e))
