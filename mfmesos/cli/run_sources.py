"""What the commands that show a run ask: its record, and its scheduler while it lasts."""
from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

from mfmesos.cli.failing import fail
from mfmesos.cli.run_place import Place, page
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.messages import seeing as m

if TYPE_CHECKING:
    from mfmesos.control.control_client import ControlClient
    from mfmesos.store.run_reading import RunReader

RULE = re.compile(r"rule[: ](\d{1,18})")


class Run(Protocol):
    """One run, in its folder or behind its page."""

    @property
    def folder(self) -> str:
        """Of the run, on its machine; of a page empty before its first answer."""

    def asked(self, name: str, **more: Any) -> Any:
        """The scheduler's answer. Raises ControlError; NotAlive: no scheduler answers."""

    def recorded(self, name: str, **more: Any) -> Any:
        """See store.record_questions. Raises RecordError; NoRecord: there is none."""

    def path(self, name: str) -> str:
        """For messages, of a file in the run's folder."""

    def close(self) -> None: ...


class FolderRun:
    """The last run of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader: RunReader | None = None
        self._client: ControlClient | None = None

    @property
    def folder(self) -> str:
        return str(self._folder.resolve())

    def asked(self, name: str, **more: Any) -> Any:
        from mfmesos.control.control_client import ControlError

        try:
            return self.client().ask(name, **more)
        except ControlError:
            self._hang_up()
            raise

    def client(self) -> ControlClient:
        """Raises ControlError."""
        from mfmesos.control.control_client import ControlClient

        self._client = self._client or ControlClient(self._folder / STATE_DIR)
        return self._client

    def recorded(self, name: str, **more: Any) -> Any:
        from mfmesos.store.record_questions import answer
        from mfmesos.store.run_reading import RunReader

        self._reader = self._reader or RunReader(self._folder / STATE_DIR)
        return answer(self._reader, {"ask": name, **more})

    def path(self, name: str) -> str:
        return os.path.relpath(self._folder / name)

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        self._hang_up()
        if self._reader is not None:
            self._reader.__exit__(None, None, None)


def run_of(place: Place) -> Run:
    return page(place) if isinstance(place, str) else FolderRun(place)


def status_of(run: Run) -> dict[str, Any]:
    """See status_view.as_data. Ends the command with one line after an error."""
    from mfmesos.control.control_client import ControlError, NotAlive
    from mfmesos.store.run_reading import NoRecord
    from mfmesos.store.run_tables import RecordError
    from mfmesos.views import status_view

    live, last, running, failures = None, None, [], []
    try:
        live, running = run.asked("status"), run.asked("running")
    except NotAlive:
        pass
    except ControlError as e:
        fail(str(e))
    try:
        last, failures = run.recorded("last"), run.recorded("failures")
    except NoRecord:
        pass
    except RecordError as e:
        fail(str(e))
    return status_view.as_data(run.folder, last, live, running, failures)


class Kept(NamedTuple):
    """A file with what an attempt printed to a stream, all of it or its end."""

    path: str
    stream: str
    data: bytes


class Sources:
    """What can be asked about a run that has a record. Ends the command with one line where nobody knows anything."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._silent = ""
        """Why the scheduler did not answer, though it may be alive."""
        self.record("last")

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.run.close()

    def live(self, name: str, **more: Any) -> Any:
        """The scheduler's answer; None: it gives none."""
        from mfmesos.control.control_client import ControlError, NotAlive

        try:
            return self.run.asked(name, **more)
        except ControlError as e:
            self._silent = "" if isinstance(e, NotAlive) else str(e)
            return None

    def record(self, name: str, **more: Any) -> Any:
        """The record's answer."""
        from mfmesos.store.run_tables import RecordError

        try:
            return self.run.recorded(name, **more)
        except RecordError as e:
            fail(str(e))

    def number(self, text: str) -> int:
        """The task that TEXT means."""
        if text.isdigit():
            return int(text)
        rule = RULE.fullmatch(text)
        if rule and self.record("last")["engine"] == "makeflow":
            return self._of_rule(int(rule[1]))
        exact, found = self._found(text)
        if exact:
            return max(exact)
        if len(found) > 1:
            shown = ", ".join(map(str, found[:10])) + (", ..." if len(found) > 10 else "")
            fail(m.TASK_AMBIGUOUS(text=text, tasks=shown))
        if not found:
            self._unknown(text)
        return found[0]

    def _of_rule(self, rule: int) -> int:
        """The last task of a rule of makeflow, by an output of the rule."""
        for name in self.record("rule", rule=rule):
            exact, _ = self._found(name)
            if exact:
                return max(exact)
        fail(m.RULE_WITHOUT_TASK(rule=rule))

    def _found(self, text: str) -> tuple[list[int], list[int]]:
        """The tasks with an output of that name, and those of which it may name another part."""
        answers = [self.record("find", text=text), *filter(None, (self.live("find", text=text),))]
        exact = [int(number) for is_exact, numbers in answers for number in numbers if is_exact]
        return exact, sorted({int(number) for is_exact, numbers in answers for number in numbers if not is_exact})

    def _unknown(self, text: str) -> NoReturn:
        fail(self._silent or m.TASK_UNKNOWN(folder=self.run.folder, text=text))

    def live_task(self, number: int) -> dict[str, Any] | None:
        found = self.live("task", task=number)
        return found if isinstance(found, dict) else None

    def printed(self, number: int, attempt: int, offsets: list[int]) -> dict[str, Any] | None:
        """What a task of a live run has printed (see scheduler.printed_question); None: it has ended."""
        found = self.live("printed", task=number, attempt=attempt, offsets=offsets)
        return found if isinstance(found, dict) else None

    def known_task(self, number: int) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.record("task", task=number)
        return found

    def is_of_last_run(self, task: dict[str, Any]) -> bool:
        last = self.record("last")
        return last is not None and bool(task["run"] == last["run"])

    def ended_task(self, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Its row, and those of its attempts before the last one."""
        task = self.known_task(number)
        if task is None:
            self._unknown(str(number))
        return task, self.record("attempts", run=task["run"], task=number)

    def kept(self, task: dict[str, Any], attempt: int | None = None) -> list[Kept]:
        """The files with what it printed."""
        found = self.record("kept", task=task["task"], run=task["run"], last=task.get("attempts"), attempt=attempt)
        return [Kept(self.run.path(name), PurePath(name).suffix[1:], text.encode(errors="surrogateescape"))
                for name, text in found]

    def sandboxes(self, task: dict[str, Any]) -> list[str]:
        """The files of its failed attempts that are kept."""
        return list(map(self.run.path, self.record("sandboxes", task=task["task"]))) \
            if self.is_of_last_run(task) else []
