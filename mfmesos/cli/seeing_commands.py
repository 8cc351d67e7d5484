"""The commands that show a run, in its folder or through its page: status, why, logs."""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.cli.run_place import PLACE, Place, place_and_task
from mfmesos.cli.run_sources import Kept, Sources, run_of, status_of
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared import bounds
from mfmesos.shared.messages import seeing as m

REFRESH_S = 2.0
KEPT_TRIES = 15


@click.command()
@click.argument("place", required=False, default=".", metavar="[FOLDER|URL]", type=PLACE)
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until the run ends or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(place: Place, watch: bool, as_json: bool) -> None:
    """Show the state of a run: live, ended or crashed.

    FOLDER is the folder of the workflow (default: the present one), URL the link to the run's page (--web, mfmesos
    web). Without the token the URL needs the variable MFMESOS_PAGE_TOKEN, or the command asks for it.
    """
    from mfmesos.views import status_view

    run = run_of(place)
    while True:
        data = status_of(run)
        if watch and sys.stdout.isatty():
            click.clear()
        if as_json:
            click.echo(json.dumps(data))
        else:
            for line in status_view.lines(data, time.time()):
                click.echo(line)
        if not watch or data["live"] is None:
            return
        try:
            time.sleep(REFRESH_S)  # until it is shown again
        except KeyboardInterrupt:
            return


@click.command()
@click.argument("words", nargs=-1, metavar="[FOLDER|URL] [TASK]")
def why(words: tuple[str, ...]) -> None:
    """Explain why a task waits or failed.

    Shows its story, its attempts and what it printed. Without TASK it takes the first task that waits or, if none does,
    one that failed.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N. URL is the link to the
    run's page.
    """
    place, text = place_and_task(words)
    if len(words) == 1 and (Path(text) / STATE_DIR).is_dir():
        place, text = Path(text), ""
    with Sources(run_of(place)) as sources:
        _explain(sources, sources.number(text) if text else _one_in_trouble(sources))


def _one_in_trouble(sources: Sources) -> int:
    """The task to be explained if the user names none."""
    status = sources.live("status")
    if status is not None and status["counts"]["waiting"]:
        counts = status["counts"]
        first: int | None = sources.live("first_waiting")
        if first is not None:
            click.echo(m.WHY_ALL_WAITING(waiting=counts["waiting"], inputs=counts["for_inputs"]))
            click.echo("")
            return first
        click.echo(m.WHY_ALL_INPUTS(waiting=counts["waiting"]))
    failures = sources.run.recorded("failures")
    if failures:
        click.echo(m.WHY_ALL_FAILED(failed=sum(one["count"] for one in failures)))
        click.echo("")
        return int(failures[0]["example"]["task"])
    if status is None or not status["counts"]["waiting"]:
        click.echo(m.WHY_NOTHING())
    sys.exit(0)


def _explain(sources: Sources, number: int) -> None:
    from mfmesos.views import why_view

    live = sources.live_task(number)
    if live is not None:
        hosts = {live["claim"]: live["host"]} if live["claim"] else {}
        for line in why_view.live(live, hosts, time.time()):
            click.echo(line)
        return
    task, attempts = sources.ended_task(number)
    for line in why_view.ended(task, attempts, {row["claim"]: row["host"] for row in (*attempts, task)}):
        click.echo(line)
    kept = sources.kept(task)
    if task["state"] == "failed":
        for one in kept:
            for line in why_view.tail(one.stream, one.data.decode(errors="replace")):
                click.echo(line)
    if kept:
        click.echo("")
        click.echo(m.WHY_KEPT(paths=", ".join(one.path for one in kept)))
    sandboxes = sources.sandboxes(task)
    if sandboxes:
        click.echo(m.WHY_SANDBOX(paths=", ".join(sandboxes), task=number))


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[FOLDER|URL] TASK")
@click.option("--attempt", type=Number(bounds.SOME), metavar="N", help="Of its attempt N (default: the last one).")
@click.option("-f", "--follow", is_flag=True, help="Go on while the task waits and runs, until it has ended.")
def logs(words: tuple[str, ...], attempt: int | None, follow: bool) -> None:
    """Print what a task has printed, also while it runs.

    Its standard output goes to standard output, its standard error to standard error.

    TASK is its number, the name of an output, or a part of its command, or with makeflow rule:N. URL is the link to the
    run's page.
    """
    place, text = place_and_task(words)
    with Sources(run_of(place)) as sources:
        number = sources.number(text)
        live = sources.live_task(number)
        if attempt is None and live is not None:
            _print_live(sources, number, follow, live["state"])
            return
        task = sources.known_task(number)
        kept = sources.kept(task or {"task": number, "run": None}, attempt)
        for one in kept:
            click.echo(one.data, nl=False, err=one.stream == "stderr")
        if not kept:
            fail(m.NO_OUTPUT_KEPT(task=number))


def _print_live(sources: Sources, number: int, follow: bool, state: str) -> None:
    """What a task of a live run has printed in its present attempt."""
    from mfmesos.cli.following import Follower

    def kept(attempt: int) -> list[Kept] | None:
        """The end of an attempt is written to the record a moment after it is known. None: nothing is known of it."""
        for _ in range(KEPT_TRIES):
            found = sources.kept({"task": number, "run": None}, attempt)
            if found:
                return found
            task = sources.known_task(number)
            if task is not None and sources.is_of_last_run(task):
                return None if attempt > task["attempts"] else sources.kept(task, attempt)
            time.sleep(REFRESH_S / 10)  # another process writes it
        return None

    follower = Follower(lambda attempt, offsets: sources.printed(number, attempt, offsets), kept,
                        lambda data, stream: click.echo(data, nl=False, err=stream == "stderr"))
    try:
        wrote = follower.follow(to_the_end=follow)
    except KeyboardInterrupt:
        return
    if not wrote and not follow:
        fail(m.NOTHING_PRINTED_YET(task=number, state=state))
