"""`mfmesos attach`: follows a run as the terminal that started it would."""
from __future__ import annotations

import re
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfmesos.cli.failing import fail
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.terminal import line, say

if TYPE_CHECKING:
    from mfmesos.store.detached_run import Detached
    from mfmesos.views.progress import LiveProgress, PlainProgress

LOOK_S = 0.5
LAST_LINES = 30
PROGRESS = re.compile(r"mfmesos: \d\d:\d\d:\d\d \d+/\d+ done")
"""A plain line of progress in the log: the display shows the present one."""


@click.command()
@click.argument("folder", required=False, default=".", metavar="FOLDER",
                type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--plain", is_flag=True, help="Print plain lines instead of a live display.")
def attach(folder: Path, plain: bool) -> None:
    """Follow a run from any terminal, until it ends.

    Shows what the terminal that started it would show. Ctrl-C ends the following, not the run. The exit code is the
    run's. Of a run with --detach that has ended this shows its last lines.

    FOLDER is the folder of the workflow (default: the present one).
    """
    folder = folder.resolve()
    following = Following(folder, plain)
    if following.status() is None and not following.is_alive():
        sys.exit(following.ended())
    try:
        code = following.follow()
    except KeyboardInterrupt:
        following.close()
        say(m.ATTACH_LEFT(folder=folder, process=following.launcher))
        code = 0
    sys.exit(code)


class Following:
    """One run."""

    def __init__(self, folder: Path, plain: bool) -> None:
        from mfmesos.store import detached_run

        self._folder = folder
        self._state_dir = folder / STATE_DIR
        self._log = self._state_dir / detached_run.LOG
        self._detached = detached_run.is_alive(self._state_dir)
        self._read = self._log.stat().st_size if self._detached else 0
        self._part = ""
        self._introduced = False
        self._plain = plain
        self._shown: PlainProgress | LiveProgress | None = None
        self.launcher = 0

    def status(self) -> dict[str, Any] | None:
        """The scheduler's answer; None: there is none, or none yet."""
        from mfmesos.control.control_client import ControlClient, ControlError, NotAlive

        try:
            with ControlClient(self._state_dir) as client:
                found: dict[str, Any] = client.ask("status")
        except NotAlive:
            return None
        except ControlError as e:
            fail(str(e))
        self.launcher = found.get("launcher", found["pid"])
        return found

    def is_alive(self) -> bool:
        """Whether the command runs, though its scheduler may not."""
        from mfmesos.shared import procfs
        from mfmesos.store import detached_run

        if self._detached:
            return detached_run.is_alive(self._state_dir)
        return bool(self.launcher and procfs.name_of(self.launcher))

    def follow(self) -> int:
        """Until the run has ended; returns its exit code."""
        from mfmesos.core.snapshot import Counts

        known = {one.name for one in fields(Counts)}
        while True:
            status, alive = self.status(), self.is_alive()
            if status is not None:
                shown = self._display(status["now"] - status["started"])
                if not self._introduced and status.get("first"):
                    self._introduced = True
                    shown.note(status["first"])
                shown.update(Counts(**{name: n for name, n in status["counts"].items() if name in known}))
            elif not alive:
                break
            for text in self._new_lines():
                self._display().line(text)
            time.sleep(LOOK_S)  # nothing tells another process of new lines
        self.close()
        return self.ended(self._new_lines())

    def _display(self, elapsed_s: float = 0.0) -> PlainProgress | LiveProgress:
        from mfmesos.views.progress import progress

        self._shown = self._shown or progress(self._plain, elapsed_s)
        return self._shown

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()

    def _new_lines(self) -> list[str]:
        """What a detached run has printed since the last look, without its progress."""
        if not self._detached:
            return []
        with self._log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        self._read += len(data)
        *whole, self._part = (self._part + data.decode(errors="replace")).split("\n")
        return _without_progress(whole)

    def ended(self, last: list[str] | None = None) -> int:
        """Show how the run has ended; `last`: what it printed in the end, if it was followed."""
        from mfmesos.store import detached_run

        kept = detached_run.load(self._state_dir)
        if kept is None or not self._log.exists() or not (self._detached or (last is None and self._is_of(kept))):
            return self._by_record()
        if last is None:
            last = _without_progress(self._log.read_text(errors="replace").split("\n")[:-1])[-LAST_LINES:]
        for text in last:
            line(text)
        if kept.code is None:
            say(m.ATTACH_KILLED(folder=self._folder))
            return 1
        return kept.code

    def _is_of(self, kept: Detached) -> bool:
        """Whether the folder's last run is that one."""
        from mfmesos.store.run_reading import RunReader
        from mfmesos.store.run_tables import RUNNING, RecordError

        try:
            with RunReader(self._state_dir) as reader:
                run = reader.last()
        except RecordError:
            return True
        if run is None:
            return True
        if kept.ended is None:
            return bool(kept.began <= run["started"] and run["state"] == RUNNING)
        return bool(kept.began <= run["started"] <= kept.ended)

    def _by_record(self) -> int:
        """Of a run that was started in a terminal."""
        from mfmesos.cli.run_sources import FolderRun, status_of
        from mfmesos.views import status_view

        data = status_of(FolderRun(self._folder))
        for text in status_view.lines(data, time.time()):
            click.echo(text)
        run = data["run"]
        good = run is not None and data["state"] == "ended" and run["finished"] == run["total"]
        return 0 if good else 1


def _without_progress(lines: list[str]) -> list[str]:
    return [text for text in lines if not PROGRESS.match(text)]
