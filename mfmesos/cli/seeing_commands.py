"""The commands that show a run: status, why, logs."""
from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared import bounds
from mfmesos.shared.messages import seeing as m

if TYPE_CHECKING:
    from mfmesos.control.control_client import ControlClient
    from mfmesos.store.run_reading import RunReader

REFRESH_S = 2.0
KEPT_TRIES = 15


@click.command()
@click.argument("folder", required=False, default=".", metavar="FOLDER",
                type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until the run ends or Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(folder: Path, watch: bool, as_json: bool) -> None:
    """Show the state of a run: live, ended or crashed.

    FOLDER is the folder of the workflow (default: the present one).
    """
    from mfmesos.views import status_view

    while True:
        data = status_of(folder)
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
            time.sleep(REFRESH_S)
        except KeyboardInterrupt:
            return


@click.command()
@click.argument("words", nargs=-1, metavar="[FOLDER] [TASK]")
def why(words: tuple[str, ...]) -> None:
    """Explain why a task waits or failed.

    Shows its story, its attempts and what it printed. Without TASK it takes the first task that waits or, if none does,
    one that failed.

    TASK is its number, the name of one of its outputs, or a part of its command.
    """
    if len(words) == 1 and (Path(words[0]) / STATE_DIR).is_dir():
        folder, text = Path(words[0]), ""
    else:
        folder, text = folder_and_task(words) if words else (Path(), "")
    with Sources(folder) as sources:
        _explain(sources, sources.number(text) if text else _one_in_trouble(sources))


def _one_in_trouble(sources: Sources) -> int:
    """The task to be explained if the user names none."""
    status = sources.live_status()
    if status is not None and status["counts"]["waiting"]:
        counts = status["counts"]
        first: int | None = sources.client().ask("first_waiting")
        if first is not None:
            click.echo(m.WHY_ALL_WAITING(waiting=counts["waiting"], inputs=counts["for_inputs"]))
            click.echo("")
            return first
        click.echo(m.WHY_ALL_INPUTS(waiting=counts["waiting"]))
    failures = sources.failures()
    if failures:
        click.echo(m.WHY_ALL_FAILED(failed=sum(one["count"] for one in failures)))
        click.echo("")
        return int(failures[0]["example"]["task"])
    if status is None or not status["counts"]["waiting"]:
        click.echo(m.WHY_NOTHING())
    sys.exit(0)


def _explain(sources: Sources, number: int) -> None:
    from mfmesos.shared.failed_sandboxes import of_task
    from mfmesos.views import why_view

    live = sources.live_task(number)
    if live is not None:
        for line in why_view.live(live, sources.hosts(live["claim"], live["host"]), time.time()):
            click.echo(line)
        return
    task, attempts = sources.ended_task(number)
    for line in why_view.ended(task, attempts, {row["claim"]: row["host"] for row in (*attempts, task)}):
        click.echo(line)
    kept = sources.kept(task)
    if task["state"] == "failed":
        for path in kept:
            for line in why_view.tail(path.suffix[1:], path.read_text(errors="replace")):
                click.echo(line)
    if kept:
        click.echo("")
        click.echo(m.WHY_KEPT(paths=_named(kept)))
    sandboxes = of_task(sources.folder / STATE_DIR, number) if sources.is_of_last_run(task) else {}
    if sandboxes:
        click.echo(m.WHY_SANDBOX(paths=_named(sandboxes.values()), task=number))


def _named(paths: Iterable[Path]) -> str:
    return ", ".join(os.path.relpath(path) for path in paths)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[FOLDER] TASK")
@click.option("--attempt", type=Number(bounds.SOME), metavar="N", help="Of its attempt N (default: the last one).")
@click.option("-f", "--follow", is_flag=True, help="Go on while the task waits and runs, until it has ended.")
def logs(words: tuple[str, ...], attempt: int | None, follow: bool) -> None:
    """Print what a task has printed, also while it runs.

    Its standard output goes to standard output, its standard error to standard error.

    TASK is its number, the name of one of its outputs, or a part of its command.
    """
    folder, text = folder_and_task(words)
    with Sources(folder) as sources:
        number = sources.number(text)
        live = sources.live_task(number)
        if attempt is None and live is not None:
            _print_live(sources, number, follow, live["state"])
            return
        task = sources.known_task(number)
        paths = sources.kept(task or {"task": number, "run": None}, attempt)
        for path in paths:
            click.echo(path.read_bytes(), nl=False, err=path.suffix == ".stderr")
        if not paths:
            fail(m.NO_OUTPUT_KEPT(task=number))


def _print_live(sources: Sources, number: int, follow: bool, state: str) -> None:
    """What a task of a live run has printed in its present attempt."""
    from mfmesos.cli.following import Follower

    def kept(attempt: int) -> list[Path] | None:
        """The end of an attempt is written to the record a moment after it is known. None: nothing is known of it."""
        for _ in range(KEPT_TRIES):
            found = sources.kept({"task": number, "run": None}, attempt)
            if found:
                return found
            task = sources.known_task(number)
            if task is not None and sources.is_of_last_run(task):
                return None if attempt > task["attempts"] else sources.kept(task, attempt)
            time.sleep(REFRESH_S / 10)
        return None

    follower = Follower(lambda attempt, offsets: sources.printed(number, attempt, offsets), kept,
                        lambda data, stream: click.echo(data, nl=False, err=stream == "stderr"))
    try:
        wrote = follower.follow(to_the_end=follow)
    except KeyboardInterrupt:
        return
    if not wrote and not follow:
        fail(m.NOTHING_PRINTED_YET(task=number, state=state))


def status_of(folder: Path) -> dict[str, Any]:
    from mfmesos.control.control_client import ControlClient, NotAlive
    from mfmesos.views import status_view

    live, running = None, []
    with Sources(folder, needed=False) as sources:
        try:
            with ControlClient(folder / STATE_DIR) as client:
                live, running = client.ask("status"), client.ask("running")
        except NotAlive:
            pass
        except Exception as e:
            fail(str(e))
        run = sources.reader.last() if sources.reader is not None else None
        failures = sources.reader.failures(run["run"]) if sources.reader is not None and run is not None else []
    return status_view.as_data(str(folder.resolve()), run, live, running, failures)


def folder_and_words(words: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """A first word that names the folder of a run is the folder."""
    first = Path(words[0])
    if len(words) > 1 and (first / STATE_DIR).is_dir():
        return first, words[1:]
    return Path(), words


def folder_and_task(words: tuple[str, ...]) -> tuple[Path, str]:
    folder, more = folder_and_words(words)
    return folder, " ".join(more)


class Sources:
    """What can be asked about a folder: its record, and the scheduler while the run lasts. Ends the command with one
    line where neither knows anything.
    """

    def __init__(self, folder: Path, needed: bool = True) -> None:
        from mfmesos.control.control_client import ControlClient, ControlError
        from mfmesos.store.run_reading import NoRecord, RunReader
        from mfmesos.store.run_tables import RecordError

        self.folder = folder
        self.reader: RunReader | None = None
        self._client: ControlClient | None = None
        self._silent = ""
        try:
            self.reader = RunReader(folder / STATE_DIR)
        except RecordError as e:
            if needed or not isinstance(e, NoRecord):
                fail(str(e))
        if needed:
            try:
                self._client = ControlClient(folder / STATE_DIR)
            except ControlError as e:
                self._silent = str(e)

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        if self.reader is not None:
            self.reader.__exit__(None, None, None)
        if self._client is not None:
            self._client.close()

    def client(self) -> ControlClient:
        """Ends the command if no scheduler answers."""
        if self._client is None:
            fail(self._silent)
        return self._client

    def number(self, text: str) -> int:
        """The task that TEXT means."""
        if text.isdigit():
            return int(text)
        assert self.reader is not None
        answers = [self.reader.find(text), *([self._client.ask("find", text=text)] if self._client else ())]
        exact = [number for is_exact, numbers in answers for number in numbers if is_exact]
        found = [max(exact)] if exact else sorted({number for _, numbers in answers for number in numbers})
        if len(found) > 1:
            shown = ", ".join(map(str, found[:10])) + (", ..." if len(found) > 10 else "")
            fail(m.TASK_AMBIGUOUS(text=text, tasks=shown))
        if not found:
            fail(m.TASK_UNKNOWN(folder=self.folder.resolve(), text=text))
        return int(found[0])

    def live_status(self) -> dict[str, Any] | None:
        found = self._client.ask("status") if self._client is not None else None
        return found if isinstance(found, dict) else None

    def failures(self) -> list[dict[str, Any]]:
        """Of the last run, by reason."""
        assert self.reader is not None
        last = self.reader.last()
        return self.reader.failures(last["run"]) if last is not None else []

    def live_task(self, number: int) -> dict[str, Any] | None:
        found = self._client.ask("task", task=number) if self._client is not None else None
        return found if isinstance(found, dict) else None

    def printed(self, number: int, attempt: int, offsets: list[int]) -> dict[str, Any] | None:
        """What a task of a live run has printed (see scheduler.printed_question); None: it has ended."""
        from mfmesos.control.control_client import ControlError

        try:
            found = self.client().ask("printed", task=number, attempt=attempt, offsets=offsets)
        except ControlError:  # the run has ended
            return None
        return found if isinstance(found, dict) else None

    def known_task(self, number: int) -> dict[str, Any] | None:
        assert self.reader is not None
        return self.reader.task(number)

    def is_of_last_run(self, task: dict[str, Any]) -> bool:
        assert self.reader is not None
        last = self.reader.last()
        return last is not None and bool(task["run"] == last["run"])

    def ended_task(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        assert self.reader is not None
        task = self.reader.task(number)
        if task is None:
            fail(m.TASK_UNKNOWN(folder=self.folder.resolve(), text=str(number)))
        return task, self.reader.attempts(task["run"], number)

    def hosts(self, claim: str, host: str) -> dict[str, str]:
        return {claim: host} if claim else {}

    def kept(self, task: dict[str, Any], attempt: int | None = None) -> list[Path]:
        """The files with what it printed."""
        from mfmesos.store.runlog import kept_output

        last = task.get("attempts")
        if attempt == last:
            attempt = None
        found = kept_output(self.folder / STATE_DIR, task["task"], task["run"], attempt)
        # The output of an attempt that was ended on request comes after the end of its task.
        return found or ([] if attempt or not last else kept_output(
            self.folder / STATE_DIR, task["task"], task["run"], last))
