"""Splits mesos_task_info into records: bytes in, complete records out."""
from __future__ import annotations

import re
from dataclasses import dataclass, field

from mfmesos.taskfiles.entries import MAX_ID, MAX_RECORD

NUMBER = rb"-?\d{1,400}(?:\.\d{1,400})?"
END = re.compile(rb",[^,\n]*,[^,\n]*," + NUMBER + rb"," + NUMBER + rb"," + NUMBER + rb",submitted\r?\Z")
LAST_LINE = re.compile(rb"," + NUMBER + rb"," + NUMBER + rb"," + NUMBER + rb",submitted\r?\Z")
WITH_NEWLINES = re.compile(rb",[^,]*,[^,]*" + LAST_LINE.pattern)
"""The end of a record whose file names hold newlines."""
START = re.compile(rb"([1-9]\d{0,9}),")
ABORTING = re.compile(rb"([1-9]\d{0,9}),,,,,,,aborting\r?\Z")
KEPT = 200
"""Bytes kept of a record that is too long, to show."""


@dataclass
class RawRecord:
    """One record without its last newline; `kind` is "submitted", "aborting", "broken" or "too long"."""

    kind: str
    data: bytes
    line: int
    offset: int
    id: int | None = None


@dataclass
class _Open:
    """An incomplete record whose command, or a name in it, holds newlines."""

    id: int
    line: int
    offset: int
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def is_whole(self) -> bool:
        """Whether all fields are complete; the last line ended like a record."""
        if END.search(self.parts[-1]):
            return True
        data = b"\n".join(self.parts)
        return WITH_NEWLINES.search(data, data.index(b",") + 1) is not None


class RecordSplitter:
    """Incremental; the result does not depend on how the bytes are cut into pieces.

    A record starts with its ID and ends at the first line that ends like a record. An endless record is given up when a
    complete record with the next ID (or, with `restarts`, with ID 1) or an aborting line follows. Memory: at most about
    MAX_RECORD.
    """

    def __init__(self, *, restarts: bool = False, first_line: int = 1) -> None:
        self._restarts = restarts
        self._line = first_line
        self._offset = 0
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._dropping = 0
        self._open: _Open | None = None

    @property
    def unfinished(self) -> int | None:
        """The first line of an incomplete record; None if all records are complete."""
        if self._open is not None:
            return self._open.line
        return self._line if self._rest_size or self._dropping else None

    def feed(self, data: bytes) -> list[RawRecord]:
        """The completed records."""
        found: list[RawRecord] = []
        lines = data.split(b"\n")
        for piece in lines[:-1]:
            if self._rest_size or self._dropping or len(piece) > MAX_RECORD:
                self._keep(piece)
                self._finish_line(found)
            else:
                self._take(piece, len(piece) + 1, found)
        self._keep(lines[-1])
        return found

    def finish(self) -> list[RawRecord]:
        """The file is complete: a last line without a newline counts, an incomplete record is broken."""
        found: list[RawRecord] = []
        if self._rest_size or self._dropping:
            self._finish_line(found)
        self._give_up(found)
        return found

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        if self._dropping or self._rest_size + len(piece) > MAX_RECORD:
            if not self._dropping:
                self._rest = [b"".join([*self._rest, piece[:KEPT]])[:KEPT]]
            self._dropping += self._rest_size + len(piece)
            self._rest_size = 0
            return
        self._rest.append(piece)
        self._rest_size += len(piece)

    def _finish_line(self, found: list[RawRecord]) -> None:
        line, size = b"".join(self._rest), self._rest_size + self._dropping + 1
        dropped, self._dropping, self._rest, self._rest_size = self._dropping, 0, [], 0
        if not dropped:
            self._take(line, size, found)
            return
        self._give_up(found)
        start = START.match(line)
        found.append(RawRecord("too long", line, self._line, self._offset, _number(start) if start else None))
        self._line += 1
        self._offset += size

    def _take(self, line: bytes, size: int, found: list[RawRecord]) -> None:
        if self._open is not None and self._restarts_at(line):
            self._give_up(found)
        if self._open is None:
            self._begin(line, found)
        else:
            self._go_on(line, found)
        self._line += 1
        self._offset += size

    def _restarts_at(self, line: bytes) -> bool:
        assert self._open is not None
        if ABORTING.match(line):
            return True
        start = START.match(line)
        if start is None or not END.search(line, start.end()):
            return False
        number = _number(start)
        return number == self._open.id + 1 or (self._restarts and number == 1)

    def _begin(self, line: bytes, found: list[RawRecord]) -> None:
        if not line.strip() or line.lstrip().startswith(b"#"):
            return
        aborting, start = ABORTING.match(line), START.match(line)
        number = _number(aborting or start)
        if aborting and number:
            found.append(RawRecord("aborting", line, self._line, self._offset, number))
        elif start and number and END.search(line, start.end()):
            found.append(RawRecord("submitted", line, self._line, self._offset, number))
        elif start and number and not line.rstrip(b"\r").endswith((b",submitted", b",aborting")):
            self._open = _Open(number, self._line, self._offset, [line], len(line) + 1)
        else:
            found.append(RawRecord("broken", line, self._line, self._offset, number))

    def _go_on(self, line: bytes, found: list[RawRecord]) -> None:
        record = self._open
        assert record is not None
        record.size += len(line) + 1
        if record.size > MAX_RECORD:
            self._open = None
            found.append(RawRecord("too long", record.parts[0][:KEPT], record.line, record.offset, record.id))
            return
        record.parts.append(line)
        if LAST_LINE.search(line) and record.is_whole():
            self._open = None
            found.append(RawRecord("submitted", b"\n".join(record.parts), record.line, record.offset, record.id))

    def _give_up(self, found: list[RawRecord]) -> None:
        record, self._open = self._open, None
        if record is not None:
            found.append(RawRecord("broken", b"\n".join(record.parts), record.line, record.offset, record.id))


def _number(match: re.Match[bytes] | None) -> int | None:
    number = int(match.group(1)) if match else 0
    return number if 0 < number <= MAX_ID else None


def start_at_last_first_id(data: bytes) -> int:
    """The offset of the last submitted record with ID 1: older records are leftovers of crashed runs. 0 if there is
    none.

    For a scheduler that plain makeflow started (IDs count from 1 in each makeflow process).
    """
    splitter = RecordSplitter(restarts=True)
    records = splitter.feed(data)
    return max((r.offset for r in records if r.id == 1 and r.kind == "submitted"), default=0)
