"""Decides which tasks an earlier run finished, and why a finished task runs again.

A finished task is identified by its command, variables, inputs and outputs, whatever its number. It is done as long as
its inputs are those of its run (same size and time, otherwise same content) and its outputs are as published.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
from collections import deque
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from mfmesos.core.actions import ReportTask
from mfmesos.core.model import Remote, Task
from mfmesos.engines import kept
from mfmesos.shared.messages import engines as m
from mfmesos.shared.webrequest import WebError
from mfmesos.staging.input_errors import InputError
from mfmesos.staging.inputs import InputIndex, unpinned
from mfmesos.staging.names import relative
from mfmesos.staging.remotes import version_in
from mfmesos.staging.stamps import among, digested, only_coarser, tree_digest, tree_stamp
from mfmesos.staging.trees import TreeError
from mfmesos.store.finished import EMPTY, FILE, Finished, FinishedError, FinishedTasks, Seen
from mfmesos.store.leftovers import state_of_run
from mfmesos.store.runlog import read_report

log = logging.getLogger("mfmesos.done")
NEW = ""
"""The reason for a task that has not finished before."""
DIGESTED = 64 << 10
"""The content of outputs up to this size is digested when they are published: a new time alone then causes no new
run.
"""
TEMPORARY = "temporary"
"""The stamp of a temporary output, of which nothing is in the workflow's folder."""
FEW = 100
"""Also for folders with at most this many members."""


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


NO_ENV = digest_of("[]")


def command_of(task: Task) -> str:
    return digest_of(task.command)


def env_of(task: Task) -> str:
    return digest_of(json.dumps(sorted(task.env.items()))) if task.env else NO_ENV


class Earlier:
    """The finished tasks of earlier runs in this folder, and those of this run. Used by one thread at a time.

    Nothing is written before `begin`. Raises FinishedError.
    """

    def __init__(
        self, workdir: Path, state_dir: Path, inputs: InputIndex, verify: bool = False, keep_stale: bool = False,
        asked: Container[int] = (),
    ) -> None:
        """`verify`: compare the content of outputs; `keep_stale`: what changed in inputs makes no task run again;
        `asked`: the tasks that run again whatever has changed.
        """
        self._workdir, self._folder = workdir, str(workdir)
        self._state_dir = state_dir
        self._inputs = inputs
        self._verify = verify
        self._keep_stale = keep_stale
        self._asked = asked
        self._rows: dict[int, Finished] = {}
        """Those of earlier runs, and those that are not written yet: large runs need the memory. See _row."""
        self._of: dict[int, int] = {}
        """Task -> its row, for the tasks that were looked up."""
        self._changed: set[int] = set()
        """Rows to write."""
        self._drops: set[int] = set()
        self._store: FinishedTasks | None = None
        self._new = not (state_dir / FILE).exists()
        if not self._new:
            store = FinishedTasks(state_dir / FILE)
            self._rows = store.load()
            store.close()
        self._last = max(self._rows, default=0)
        self._alike: dict[object, deque[int]] = {}
        self._makers: dict[str, int] = {}
        self._digests: dict[tuple[str, str], str] = {}
        """(name, stamp) -> digest, from tasks that read the file."""
        for number, row in self._rows.items():
            self._enter(number, row)
        self.attempts = {row.attempt for row in self._rows.values() if row.attempt}
        """Attempts with a known end."""
        self._unchecked: dict[str, str] = {}
        """By URL, one line about each input whose web server did not answer: its tasks stay done."""
        self._shown: set[str] = set()
        """Such URLs that the user knows of."""

    def _enter(self, number: int, row: Finished) -> None:
        self._alike.setdefault(_key_of(row), deque()).append(number)
        self._makers.update((seen.name, number) for seen in row.outputs)
        for seen in (*row.inputs, *row.outputs):
            if " " in seen.stamp and seen.digest:  # for a file
                self._digests[seen.name, seen.stamp] = seen.digest

    def take_up(self, tasks: Mapping[int, Task]) -> None:
        """For the folder of an older mfmesos: a task that was reported as finished, with the same number and command,
        counts as finished with its present inputs and outputs.
        """
        if not self._new:
            return
        reported = {(e["task"], e["command"]) for e in read_report(self._state_dir) if e["finished"]}  # makeflow's, too
        try:
            state = set(state_of_run(self._workdir).read_text(errors="replace").splitlines())
        except OSError:
            return
        for task in tasks.values():
            if f"{task.id},finished" not in state or (task.id, task.command) not in reported:
                continue
            outputs = [self._see(name) for name in task.outputs]
            if all(outputs):
                inputs = [self._see(name) or Seen(name, "", "", 0) for name in self._inputs_of(task)]
                row = Finished(command_of(task), env_of(task), tuple(inputs), tuple(seen for seen in outputs if seen))
                self._add(task.id, row)
                self._enter(self._of.pop(task.id), row)

    # --- queries --------------------------------------------------------------------------------
    def ask_servers(self, tasks: Iterable[Task]) -> None:
        """Ask the web servers for the versions of those inputs on which `why` will depend (blocking)."""
        self._inputs.remotes.ask_all(
            url for task in tasks if task.urls and self._alike.get(self._key(task)) for url in unpinned(task))

    def why(self, task: Task, made_again: str | None = None, most: float = math.inf) -> str | None:
        """Why the task runs; None if it is done, NEW if it has not finished before. Call once per task. `made_again`
        names an input that a preceding task will make. A file larger than `most` bytes is not digested: a new time
        alone then counts as a change.
        """
        alike = self._alike.get(self._key(task))
        number = alike.popleft() if alike else 0
        row = self._row(number)
        if row is None:  # another task has made its files meanwhile
            return self._what_was_edited(task)
        self._of[task.id] = number
        if task.id in self._asked:
            return m.RERUN_ASKED()
        inputs, why = row.inputs, ""
        if not self._keep_stale:
            if made_again is not None:
                return m.RERUN_MADE_AGAIN(name=made_again)
            inputs, why = self._look(row.inputs, most=most, urls=task.urls, temporary=self._inputs.temporaries)
        if why:
            return why
        outputs, why = self._look(row.outputs, "output ", self._verify, most, temporary=task.temporary)
        if why:
            return why
        if (inputs, outputs) != (row.inputs, row.outputs):
            self._put(number, Finished(row.command, row.env, inputs, outputs, row.attempt))
        return None

    def _what_was_edited(self, task: Task) -> str:
        """A task that made one of the same files has finished before."""
        row = next(filter(None, map(self._maker, task.outputs)), None)
        if row is None:
            return NEW
        if row.command != command_of(task):
            return m.RERUN_COMMAND_CHANGED()
        if row.env != env_of(task):
            return m.RERUN_ENV_CHANGED()
        return m.RERUN_INPUTS_CHANGED() if _names(row.inputs) != self._inputs_of(task) else m.RERUN_OUTPUTS_CHANGED()

    def _look(
        self, was: tuple[Seen, ...], what: str = "", verify: bool = False, most: float = math.inf,
        urls: Mapping[str, Remote] = MappingProxyType({}), temporary: Container[str] = (),
    ) -> tuple[tuple[Seen, ...], str]:
        """The present state of these files if none has changed; otherwise the name and the kind of the change. Nothing
        is known of `temporary` ones; what a task reads of them is what their makers make.
        """
        found = []
        remotes = {relative(self._workdir, name): one for name, one in urls.items()}
        for seen in was:
            if seen.name in temporary:
                found.append(seen)
                continue
            if seen.name in remotes:
                why = self._look_at_url(seen, remotes[seen.name])
                if why:
                    return (), why
                found.append(seen)
                continue
            now = self._inputs.stamp(seen.name, seen.members)
            if now is None:
                return (), m.RERUN_MISSING(what=f"{what}{seen.name}")
            digest = self._digest(seen)
            if not verify and (now.text == seen.stamp or (not digest and only_coarser(seen.stamp, now.text))):
                found.append(seen._replace(stamp=now.text))
                continue
            if seen.size and not now.size:
                return (), m.RERUN_EMPTY(what=f"{what}{seen.name}")
            if not digest and now.text != seen.stamp:  # no content to compare with: it need not be read
                return (), m.RERUN_CHANGED(what=f"{what}{seen.name}")
            same = self._found(seen) if now.size <= most else None
            if same is None or (digest != same.digest and (digest or now.text != seen.stamp)):
                return (), m.RERUN_CHANGED(what=f"{what}{seen.name}")
            found.append(same)
        return tuple(found), ""

    def _look_at_url(self, seen: Seen, remote: Remote) -> str:
        """Why the file on the web server makes its task run again; empty if nothing shows that it has changed."""
        if remote.sha256 or seen.digest:
            return "" if remote.sha256 == seen.digest else m.RERUN_CHANGED(what=seen.name)
        was = version_in(seen.stamp, remote.url)
        if was is None:
            return m.RERUN_CHANGED(what=seen.name)
        try:
            now = self._inputs.remotes.version(remote.url)
        except WebError as e:
            self._unchecked[remote.url] = m.RERUN_NOT_CHECKED(name=seen.name, why=e)
            return ""
        return "" if now.is_same(was) else m.RERUN_CHANGED(what=seen.name)

    def unchecked(self) -> list[str]:
        """One line for each input that `why` could not compare with its web server; each once."""
        found = [line for url, line in self._unchecked.items() if url not in self._shown]
        self._shown.update(self._unchecked)
        return found

    def _digest(self, seen: Seen) -> str:
        return seen.digest or self._digests.get((seen.name, seen.stamp), "")

    def _found(self, was: Seen) -> Seen | None:
        """The present state, with its digest."""
        with contextlib.suppress(InputError, OSError, TreeError):
            if was.members:
                rows = list(among(self._inputs.tree(was.name), was.members))
                now = tree_stamp(rows)
                return was._replace(stamp=now.text, digest=tree_digest(rows), size=now.size)
            found = self._inputs.look(was.name)
            return Seen(was.name, found.stamp, found.digest, found.size)
        return None

    def _maker(self, name: str) -> Finished | None:
        return self._row(self._makers.get(name, 0))

    def _row(self, number: int) -> Finished | None:
        row = self._rows.get(number)
        if row is None and number and number not in self._drops and self._store is not None:
            return self._store.read(number)
        return row

    def _key(self, task: Task) -> object:
        return command_of(task), env_of(task), self._inputs_of(task), frozenset(task.outputs)

    def _inputs_of(self, task: Task) -> frozenset[str]:
        return frozenset(relative(self._workdir, name) for name in (*task.inputs, *task.urls))

    def _see(self, name: str, members: tuple[str, ...] = ()) -> Seen | None:
        found = self._inputs.stamp(name, members)
        return Seen(name, found.text, "", found.size, members) if found else None

    # --- records of this run --------------------------------------------------------------------
    def begin(self) -> None:
        """The run begins: write the changes found so far."""
        self._store = FinishedTasks(self._state_dir / FILE)
        self._write()

    def finished(self, report: ReportTask, members: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> None:
        """The task's outputs are published; `commit` writes the record. `members`: output folder -> names that the task
        made in it; everything else there belongs to others.
        """
        task = report.task
        inputs = tuple(Seen(i.name, TEMPORARY if i.temporary else i.stamp, "" if i.tag else self._inputs.digest_of(i),
                            i.size) for i in report.inputs)
        for name, made in members.items():
            self._remove_stale(name, made)
        outputs = tuple(
            Seen(name, TEMPORARY, "", 0) if name in task.temporary else
            self._published(name, (members[name] or EMPTY) if name in members else ()) for name in task.outputs)
        self._add(task.id, Finished(command_of(task), env_of(task), inputs, outputs, report.attempt_id))

    def _remove_stale(self, name: str, made: tuple[str, ...]) -> None:
        """Remove files that an earlier attempt made in the folder and this attempt did not, since readers of the folder
        must not find them. Files that somebody changed were moved aside before, and files of other tasks stay.
        """
        number = self._makers.get(name, 0)
        was = self._was(name)
        if was is not None:
            kept.remove_stale(self._folder, name, was.members, made,
                              lambda one: len(one) <= len(name) or self._makers.get(one, number) == number)

    def _was(self, name: str) -> Seen | None:
        """That output as it was published."""
        row = self._maker(name)
        return next((seen for seen in row.outputs if seen.name == name), None) if row else None

    def _published(self, name: str, members: tuple[str, ...]) -> Seen:
        small = None if members or self._verify else digested(self._inputs.path_of(name), DIGESTED)
        if small is not None:
            return Seen(name, small[0].text, small[1], small[0].size)
        seen = self._see(name, members)
        if seen is None:  # somebody has removed it at once
            return Seen(name, "", "", 1)
        if seen.size > DIGESTED and not self._verify:
            return seen
        if self._verify or (members and len(members) <= FEW):
            return self._found(seen) or seen
        return seen

    def _add(self, task_id: int, row: Finished) -> None:
        number = self._of.get(task_id)
        if number is None:
            self._last += 1
            number = self._of[task_id] = self._last
        for name in _names(row.outputs):
            other = self._makers.get(name, number)
            if other != number:  # the file belonged to that task; now it belongs to this one
                self._drops.add(other)
                self._rows.pop(other, None)
                self._changed.discard(other)
            self._makers[name] = number
        self._put(number, row)

    def _put(self, number: int, row: Finished) -> None:
        self._rows[number] = row
        self._changed.add(number)

    def commit(self) -> None:
        """Write the finished tasks in one transaction. After a failure they are written the next time."""
        try:
            self._write()
        except FinishedError as e:
            log.error("%s", e)

    def _write(self) -> None:
        if self._store is not None and (self._changed or self._drops):
            self._store.write({n: self._rows[n] for n in self._changed}, self._drops)
            for number in self._changed:
                del self._rows[number]
            self._changed.clear()
            self._drops.clear()

    def close(self) -> None:
        if self._store is not None:
            self.commit()
            self._store.close()
            self._store = None

    # --- changed outputs ------------------------------------------------------------------------
    def keep_changed(self, task: Task, read: Container[str]) -> list[str]:
        """Before a task makes its outputs again: move aside files with these names that differ from the published ones
        and are not empty. Returns one line per file. `read` holds the names of all inputs: nothing is moved into such a
        folder. Raises kept.NotKept; then the task must not run.
        """
        lines = []
        for name in task.outputs:
            was = self._was(name)
            now = self._inputs.stamp(name, was.members) if was else None
            if was is None or now is None or not now.size or now.text == was.stamp:
                continue
            if name in task.temporary or os.path.isabs(name):
                continue  # the command itself writes an absolute name, in a shared folder: nothing of it is moved
            digest = self._digest(was)
            found = self._found(was) if digest else None
            if found is None or digest != found.digest:
                lines.append(kept.keep(self._folder, name, was.members, kept.aside(name, read)))
        return lines


def _names(seen: Iterable[Seen]) -> frozenset[str]:
    return frozenset(s.name for s in seen)


def _key_of(row: Finished) -> object:
    return row.command, row.env, _names(row.inputs), _names(row.outputs)
