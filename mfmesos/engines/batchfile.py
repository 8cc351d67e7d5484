"""The batch runner's task file as far as it was read, its plan, and the results of earlier runs."""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mfmesos.core.attemptid import attempt_id
from mfmesos.core.model import MadeTemporary, SavedTask, StagedInput, Task
from mfmesos.engines.done import Earlier
from mfmesos.shared.messages import engines as m
from mfmesos.shared.messages.resources import BEYOND_COUNTER
from mfmesos.shared.phrases import printable
from mfmesos.shared.values import EMPTY
from mfmesos.shared.webrequest import Version
from mfmesos.staging.check import OutputCheck
from mfmesos.staging.input_errors import InputError
from mfmesos.staging.inputs import TEMPORARY, InputIndex
from mfmesos.store.finished import FinishedError
from mfmesos.taskfiles.entries import Malformed, Submitted, Withdrawn
from mfmesos.taskfiles.overlaps import Overlaps
from mfmesos.taskfiles.plan import Plan
from mfmesos.taskfiles.plan_graph import Status
from mfmesos.taskfiles.reader import TaskReader
from mfmesos.taskfiles.temporary_readers import TemporaryReaders

ALL = "all"
"""For --rerun: every task."""


class Batch:
    """The task file as far as it was read, and its plan."""

    def __init__(self, source: Path, workdir: Path, shared: Sequence[str] = (),
                 counters: Mapping[str, float] = EMPTY) -> None:
        """`shared`: the shared folders; `counters`: what the run has by name."""
        self._counters = counters
        self.source = source
        self.workdir = workdir
        self.reader = TaskReader(workdir)
        self.inputs = InputIndex(workdir, own_files=[source.name], shared=shared, digests=True)
        self.tasks: dict[int, Task] = {}
        self.offset = 0
        self.withdrawn: set[int] = set()
        """Tasks that were cancelled before the start."""
        self.plan: Plan
        self.temporaries = TemporaryReaders()
        self.overlapping: list[str] = []
        """Nested outputs of different tasks, one line each."""
        self.earlier: Earlier

    def read(self, whole: bool) -> list[Malformed]:
        """Read the existing lines; `whole`: the file is complete. Returns every problem, in the order of the file."""
        data = self.source.read_bytes()
        self.offset = len(data)
        records = self.reader.feed(data)
        if whole:
            records += self.reader.finish()
        self.withdrawn = {r.task_id for r in records if isinstance(r, Withdrawn)}
        submitted = [r for r in records if isinstance(r, Submitted) and r.task.id not in self.withdrawn]
        self.tasks = {r.task.id: r.task for r in submitted}
        self.plan = Plan(submitted, self.exists)
        self.temporaries = TemporaryReaders(self.tasks.values())
        self.inputs.temporaries.update(self.temporaries.makers)
        problems = [r for r in records if isinstance(r, Malformed)]
        problems += self._output_problems(submitted)
        problems += self._beyond_counters(submitted)
        return sorted(problems + self.plan.check(follow=not whole), key=lambda problem: problem.line)

    def _beyond_counters(self, submitted: list[Submitted]) -> list[Malformed]:
        """Tasks that need more of a counter than there is."""
        return [Malformed(record.line, printable(record.task.command), *BEYOND_COUNTER.parts(
                    name=name, need=need, total=self._counters[name]))
                for record in submitted for name, need in record.task.request.others
                if name in self._counters and need > self._counters[name]]

    def _output_problems(self, submitted: list[Submitted]) -> list[Malformed]:
        """Outputs that can never be published."""
        check, overlaps, found = OutputCheck(self.workdir, [self.source.name], self.inputs.in_place), Overlaps(), []
        for record in submitted:
            found += [Malformed(record.line, printable(record.task.command),
                                m.OUTPUT_PROBLEM(task=record.task.id, problem=what), "")
                      for what in check.problems(record.task)]
            for one in overlaps.add(record.task):
                if one.impossible:
                    found.append(Malformed(
                        record.line, printable(record.task.command), *m.OUTPUT_TAKEN.parts(problem=one)))
                else:
                    self.overlapping.append(f"{printable(self.source.name)}:{record.line}: {one}")
        return found

    def keep(self, task: Task) -> None:
        """Hold this object of the task, in which more is known, instead of the one that was read: 17 MB less for
        100,000 tasks (docs/performance.md, Core).
        """
        self.tasks[task.id] = task
        self.plan.keep(task)

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.workdir / name)

    def skip_done(
        self, state_dir: Path, verify: bool = False, keep_stale: bool = False, rerun: Iterable[str] = (),
    ) -> tuple[set[int], dict[int, str]]:
        """The finished tasks of an earlier run that count as finished now, and for each other task the reason why it
        runs (see engines.done). Raises FinishedError.
        """
        self.earlier = Earlier(self.workdir, state_dir, self.inputs, verify, keep_stale, self._asked(rerun))
        self.earlier.take_up(self.tasks)
        self.earlier.ask_servers(self.tasks.values())
        done, reasons = self.plan.done_before(self.earlier.why, keep_stale)
        return {task.id for task in done}, reasons

    def _asked(self, texts: Iterable[str]) -> set[int]:
        """The tasks with that number, an output of that name, or that text in their commands. Raises FinishedError."""
        found: set[int] = set()
        for text in texts:
            tasks = self.tasks.values()
            some = set(self.tasks) if text == ALL else (
                {t.id for t in tasks if str(t.id) == text or text in t.outputs} or
                {t.id for t in tasks if text in t.command})
            if not some:
                raise FinishedError(m.RERUN_UNKNOWN(text=text))
            found |= some
        return found

    def still_wanted(self, saved: Iterable[SavedTask]) -> list[SavedTask]:
        """The crashed run's tasks that the file still states unchanged, under their present numbers. A task whose
        inputs have changed, or one of whose predecessors runs again, starts from the beginning. Finished tasks are
        among them if they may have to make temporary outputs again.
        """
        ready: dict[object, deque[Task]] = {}
        finished: dict[object, deque[Task]] = {}
        for task in self.tasks.values():
            status = self.plan.status(task.id)
            if status is Status.READY:
                ready.setdefault(statement(task), deque()).append(task)
            elif status is Status.FINISHED and task.temporary:
                finished.setdefault(statement(task), deque()).append(task)
        found = []
        for one in saved:
            same = finished.get(statement(one.task)) if one.finished or one.again else None
            if same:
                found.append(replace(one, task=same.popleft(), made=tuple(map(self._as_found, one.made))))
                continue
            if one.again or attempt_id(one.stem, one.attempts) in self.earlier.attempts:
                continue  # it has finished: the scheduler died before the journal dropped it
            same = ready.get(statement(one.task))
            if same:
                self._adopt(one.inputs)
            ordinary = tuple(i for i in one.inputs if not i.temporary)
            if same and self._staged(same[0], ordinary) == ordinary:
                task = same.popleft()
                task = replace(task, shared=self.inputs.in_place.used_by(task))
                found.append(replace(one, task=task, finished=False))
        return found

    def _adopt(self, inputs: Iterable[StagedInput]) -> None:
        """The crashed scheduler has asked the web servers: the run continues with the same versions of files."""
        for item in inputs:
            if item.tag:
                self.inputs.remotes.adopt(item.url, Version(item.tag, item.size))

    def _as_found(self, made: MadeTemporary) -> MadeTemporary:
        copy = self.workdir / TEMPORARY / made.file.digest
        return replace(made, here=made.here and copy.is_file())

    def _staged(self, task: Task, before: Iterable[StagedInput]) -> tuple[StagedInput, ...] | None:
        try:
            return self.inputs.stage(task, [item.name for item in before if not item.late])
        except (InputError, OSError):
            return None


def statement(task: Task) -> object:
    """Everything that defines the work and the allocation of an attempt; not its number."""
    return (task.command, task.inputs, task.outputs, task.temporary, frozenset(task.env.items()), task.request,
            frozenset(task.urls.items()))
