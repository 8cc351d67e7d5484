"""Parses mesos_task_info, as makeflow and work_queue_factory append to it, and as people write it by hand.

`ID,COMMAND,INPUTS,OUTPUTS,CORES,MEMORY,DISK,submitted` and `ID,,,,,,,aborting`; memory and disk in MB. Genuine files
hold whole numbers only and nothing between the records; here fractions, blank lines and comments (#) are valid as well.
IDs need not be consecutive, but each may be used once.

-1 means no request. So does 0: makeflow writes CORES=0.5 as 0, and no task can run without memory.
"""
from __future__ import annotations

import os
import re

from mfmesos.core.model import Request, Task
from mfmesos.shared.bounds import MOST
from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.same import Same
from mfmesos.taskfiles.entries import (
    MAX_ID,
    MAX_RECORD,
    Folder,
    Ids,
    Malformed,
    Problem,
    Record,
    Submitted,
    Withdrawn,
)
from mfmesos.taskfiles.splitter import RawRecord, RecordSplitter, start_at_last_first_id

__all__ = ["Malformed", "Record", "Submitted", "TaskInfoParser", "Withdrawn", "format_task", "start_at_last_first_id"]



class TaskInfoParser:
    """Bytes in, records out; never raises on any bytes. Not thread-safe."""

    def __init__(self, workdir: str | os.PathLike[str], *, first_line: int = 1, of_engine: bool = False) -> None:
        """`of_engine`: makeflow or work_queue_factory writes the file, with absolute paths of inputs."""
        self._folder = Folder(workdir)
        self._of_engine = of_engine
        self._splitter = RecordSplitter(first_line=first_line)
        self._inputs: Same[tuple[str, ...]] = Same()
        self._requests: Same[Request] = Same()
        self._ids = Ids()

    @property
    def unfinished(self) -> int | None:
        """The first line of an incomplete record."""
        return self._splitter.unfinished

    def feed(self, data: bytes) -> list[Record]:
        """The completed records, in the order of the file."""
        return [record for raw in self._splitter.feed(data) for record in self._record(raw)]

    def finish(self) -> list[Record]:
        """The file is complete: a record without its last newline counts, an incomplete record is malformed."""
        return [record for raw in self._splitter.finish() for record in self._record(raw)]

    def _record(self, raw: RawRecord) -> list[Record]:
        # Only a clear submission uses up its ID and gets an answer.
        submission = raw.kind in ("submitted", "too long") or raw.data.rstrip(b"\r").endswith(b",submitted")
        answered = raw.id if submission and raw.id is not None and raw.id not in self._ids else None
        try:
            if raw.kind == "aborting":
                return [self._withdrawn(raw)]
            if submission and raw.id is not None:
                self._ids.take(raw.id, raw.line)
            if raw.kind == "too long":
                raise Problem(*m.RECORD_TOO_LONG.parts(limit=MAX_RECORD >> 20))
            if raw.kind == "broken" or raw.id is None:
                raise diagnose(raw.data)
            return [Submitted(self._task(raw.id, raw.data.rstrip(b"\r")), raw.line)]
        except Problem as e:
            return self._ids.shown(Malformed(raw.line, printable(raw.data), e.problem, e.cure, answered))

    def _withdrawn(self, raw: RawRecord) -> Record:
        assert raw.id is not None
        if raw.id not in self._ids:
            raise Problem(*m.CANCEL_UNKNOWN.parts(task=raw.id))
        return Withdrawn(raw.id, raw.line)

    def _task(self, task_id: int, record: bytes) -> Task:
        if b"\0" in record:
            raise Problem(*m.RECORD_NUL.parts())
        rest = record.split(b",", 1)[1].decode("utf-8", "surrogateescape")
        head, outputs, cores, memory, disk, _ = rest.rsplit(",", 5)
        command, inputs = self._folder.split(head, absolute=self._of_engine)
        if not command.strip():
            raise Problem(*m.RECORD_NO_COMMAND.parts(task=task_id))
        names = tuple(self._folder.relative(name) for name in inputs if name)
        if not self._of_engine:  # in an engine's file, pieces of names with commas may be equal
            names = tuple(dict.fromkeys(names))
        return Task(
            task_id, command, self._inputs.of(names), self._folder.names(outputs.split(" ")),
            self._requests.of(Request(amount("cores", cores), amount("memory", memory), amount("disk", disk))))


def amount(name: str, text: str) -> float | None:
    """A resource field: None for no request."""
    value = float(text)
    if value in (-1, 0):
        return None
    if value < 0:
        raise Problem(*m.AMOUNT_NEGATIVE.parts(name=name, value=printable(text, 20)))
    if value > MOST:
        raise Problem(*m.AMOUNT_TOO_LARGE.parts(name=name, value=printable(text, 20)))
    return value


def diagnose(record: bytes) -> Problem:
    """The problem of a record that the splitter could not read."""
    head, comma, rest = record.partition(b",")
    shown = printable(head.strip(), 30)
    if not comma:
        return Problem(*m.NOT_A_RECORD.parts(record=printable(record, 40)))
    if re.fullmatch(rb"[+-]?\d+", head.strip()) is None:
        return Problem(*m.ID_NOT_NUMBER.parts(id=shown))
    if re.fullmatch(rb"[1-9]\d*", head) is None:
        return Problem(*m.ID_NOT_POSITIVE.parts(id=shown))
    if len(head) > 10 or int(head) > MAX_ID:
        return Problem(*m.ID_TOO_LARGE.parts(id=shown, most=MAX_ID))
    line = record.rstrip(b"\r")
    if line.endswith(b",aborting"):
        return Problem(*m.CANCEL_RECORD.parts(task=shown))
    if not line.endswith(b",submitted"):
        return Problem(*m.RECORD_NOT_ENDED.parts(task=shown))
    fields = rest.decode("utf-8", "surrogateescape").rstrip("\r").split("\n")[-1].rsplit(",", 6)
    if len(fields) < 7:
        return Problem(*m.RECORD_FIELDS.parts(task=shown, count=len(fields)))
    for name, text in zip(("cores", "memory", "disk"), fields[3:6]):
        if re.fullmatch(r"-?\d{1,400}(\.\d{1,400})?", text, re.ASCII) is None:
            return Problem(*m.RECORD_NOT_NUMBER.parts(task=shown, name=name, value=printable(text, 30)))
    return Problem(*m.RECORD_UNREADABLE.parts(task=shown))


def format_task(task: Task) -> bytes:
    """One record; raises ValueError for a task that this format cannot hold (JSON lines can)."""
    for name in (*task.inputs, *task.outputs, *task.urls):
        if re.search(r"[ ,\n]", name) or not name or name in task.urls:
            raise ValueError(m.NAME_NOT_WRITABLE(task=task.id, name=printable(name)))
    if not task.command.strip() or "\0" in task.command:
        raise ValueError(m.COMMAND_NOT_WRITABLE(task=task.id))
    asked = (task.request.cores, task.request.memory_mb, task.request.disk_mb)
    numbers = ",".join("-1" if value is None else format_number(value) for value in asked)
    text = f"{task.id},{task.command},{' '.join(task.inputs)},{' '.join(task.outputs)},{numbers},submitted\n"
    return text.encode("utf-8", "surrogateescape")


def format_number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")
