"""Reads a task file in either format."""
from __future__ import annotations

import os
from typing import Union

from mfmesos.taskfiles.entries import MAX_RECORD, Record
from mfmesos.taskfiles.jsonlines import JsonLinesParser
from mfmesos.taskfiles.taskfile import TaskInfoParser

BOM = b"\xef\xbb\xbf"
JSON_STARTS = (b"{", b"[", b'"')


class TaskReader:
    """Like TaskInfoParser and JsonLinesParser; chooses between them at the first line that is neither blank nor #."""

    def __init__(self, workdir: str | os.PathLike[str]) -> None:
        self._workdir = workdir
        self._start = b""
        self._skipped = 0
        self._begun = False
        self._parser: Union[TaskInfoParser, JsonLinesParser, None] = None

    @property
    def format(self) -> str:
        """"json", "mesos_task_info", or "" while unknown."""
        if self._parser is None:
            return ""
        return "json" if isinstance(self._parser, JsonLinesParser) else "mesos_task_info"

    @property
    def unfinished(self) -> int | None:
        """The first line of an incomplete record."""
        if self._parser is None:
            return self._skipped + 1 if self._start.strip() else None
        return self._parser.unfinished

    def feed(self, data: bytes) -> list[Record]:
        """The completed records, in the order of the file."""
        if self._parser is None:
            data, self._start = self._start + data, b""
            self._choose(data)
            if self._parser is None:
                return []
            data, self._start = self._start, b""
        return self._parser.feed(data)

    def finish(self) -> list[Record]:
        """The file is complete: a record without its last newline counts, an incomplete record is malformed."""
        if self._parser is None:
            data, self._start = self._start, b""
            parser = TaskInfoParser(self._workdir, first_line=self._skipped + 1)
            self._parser = parser
            return [*parser.feed(data), *parser.finish()]
        return self._parser.finish()

    def _choose(self, data: bytes) -> None:
        """Leaves in _start the data for the parser, or data too short for a choice."""
        if not self._begun:
            if len(data) < len(BOM) and BOM.startswith(data):
                self._start = data
                return
            self._begun = True
            if data.startswith(BOM):
                data = data[len(BOM):]
        while True:
            text = data.lstrip(b" \t\r\n\v\f")
            blank = data.rfind(b"\n", 0, len(data) - len(text)) + 1
            end = data.find(b"\n", blank) + 1 if text.startswith(b"#") else 0
            gone = max(blank, end)
            if not gone:
                break
            self._skipped += data.count(b"\n", 0, gone)
            data = data[gone:]
        self._start = data
        if (not text or text.startswith(b"#")) and len(data) < MAX_RECORD:
            return
        kind = JsonLinesParser if text.startswith(JSON_STARTS) else TaskInfoParser
        self._parser = kind(self._workdir, first_line=self._skipped + 1)


def open_parser(workdir: str | os.PathLike[str]) -> TaskReader:
    """A reader for a task file whose names are relative to `workdir`."""
    return TaskReader(workdir)
