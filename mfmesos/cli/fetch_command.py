"""`mfmesos fetch`: the kept sandbox of a failed task."""
from __future__ import annotations

from pathlib import Path

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.cli.run_place import folder_and_words
from mfmesos.cli.run_sources import FolderRun, Sources
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared import bounds
from mfmesos.shared.messages import seeing as m


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[FOLDER] TASK")
@click.option("--attempt", type=Number(bounds.SOME), metavar="N", help="Of its attempt N (default: the last one kept).")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Unpack into this new folder (default: failed-task-N.attempt-K in the workflow's folder).")
def fetch(words: tuple[str, ...], attempt: int | None, output: Path | None) -> None:
    """Unpack what a failed task left, with --keep-failed.

    The sandbox holds the task's working folder without its inputs, its temporary folder, and all that it printed.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N.
    """
    from mfmesos.shared.failed_sandboxes import LEFT_OUT, of_task
    from mfmesos.shared.plainerrors import plain
    from mfmesos.store.sandbox_archive import unpack

    folder, more = folder_and_words(words)
    with Sources(FolderRun(folder)) as sources:
        number = sources.number(" ".join(more))
    kept = of_task(folder / STATE_DIR, number)
    if not kept or (attempt is not None and attempt not in kept):
        fail(m.NO_SANDBOX(task=number))
    attempt = attempt or max(kept)
    target = output or folder / f"failed-{kept[attempt].stem}"
    try:
        unpack(kept[attempt], target)
    except FileExistsError:
        fail(m.SANDBOX_THERE(folder=target))
    except OSError as e:
        fail(m.SANDBOX_UNREADABLE(file=kept[attempt], why=plain(e)))
    click.echo(m.SANDBOX_FETCHED(task=number, attempt=attempt, folder=target))
    if (target / LEFT_OUT).exists():
        click.echo(m.SANDBOX_CUT(file=target / LEFT_OUT))
