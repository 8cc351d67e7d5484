"""makeflow's debug log, the only place with the environment of each task.

makeflow's driver for Mesos drops the environment of a task; but with `-d makeflow_run -d batch` makeflow (7.0 to 8.0)
logs, before it writes the record of task N to mesos_task_info (each line after its date, time and process):

    makeflow: export NAME=VALUE             for each variable, then
    batch: set option `task-id' to `RULE'
    makeflow: file NAME waiting -> running  for each output
    batch: task N is ready

and before all of them (8.0)

    makeflow: Added NAME to input list      for each file that no rule makes

Reference: cctools, makeflow/src/dag_node.c (dag_node_env_create), makeflow.c, batch_job_mesos.c, dttools/src/debug.c. A
message may hold newlines. makeflow removes trailing spaces, so the preloaded library ends an export with END. A message
longer than 64 KB is left empty.
"""
from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from mfmesos.shared.messages import taskfiles as m

FLAGS = ("makeflow_run", "batch")
NEEDED = (b"export %s=%s", b"task %d is ready", b"set option `%s' to `%s'")
"""Strings in the binary of a makeflow whose debug log holds all of this."""
END = b"\x1e"
HEAD = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+ ([^\[\n]{1,255}\[\d+\]) ([a-z_]+):(?: |\Z)")
"""The start of a message: its author and its kind."""
TASK_ID = re.compile(rb"set option `task-id' to `\d+'\Z")
READY = re.compile(rb"task ([1-9]\d{0,9}) is ready\Z")
EXPECTED = re.compile(rb"file (.*) [a-z]+ -> running\Z", re.DOTALL)
SOURCE = re.compile(rb"Added (.*,.*) to input list\Z", re.DOTALL)
NOT_SENT = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "TMPDIR"})
"""Left out by --send-environment: variables that describe the place where makeflow runs."""
THREADS = "OMP_NUM_THREADS"
CORES = "CORES"
RESERVE = 4 << 20
"""Bytes kept free for the log: a makeflow that cannot write its log aborts, but a full disk must stop nothing."""
KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE of fallocate(2)."""
NOT_LOADED = "couldn't load "
OF_THE_SYSTEM = [os.strerror(number) for number in (errno.EACCES, errno.EISDIR, errno.EIO, errno.ENOMEM, errno.EMFILE)]
"""Reasons why an existing file cannot be read."""
FATAL_WITHIN = 1 << 16
"""The fatal error's line is searched in this many bytes at the end of the log."""


@dataclass
class Submission:
    """makeflow's log of one task, before it writes the task's record."""

    exports: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    """The complete names of its outputs, in makeflow's order; those in the record cannot hold spaces or commas."""
    cut: bool = False
    """Whether a variable is missing because makeflow could not log its value (more than 64 KB)."""


class DebugParser:
    """Bytes in, submissions by task id out; the result does not depend on how the bytes are cut into pieces."""

    def __init__(self) -> None:
        self.submissions: dict[int, Submission] = {}
        self.with_commas: list[str] = []
        """Names of files with commas, sources and outputs, in the order of the log."""
        self._half = b""
        self._speaker = b""
        self._message: bytes | None = None
        self._run: Submission | None = None
        self._next = Submission()

    def feed(self, data: bytes) -> None:
        *lines, self._half = (self._half + data).split(b"\n")
        for line in lines:
            head = HEAD.match(line)
            self._speaker = self._speaker or (head[1] if head else b"")
            if head is None or head[1] != self._speaker:  # a further line of a message, whatever it imitates
                if self._message is not None:
                    self._message += b"\n" + line
                continue
            self._close()
            message = line[head.end():]
            if READY.match(message) or TASK_ID.match(message):  # of one line: known to be complete
                self._take(message)
            else:
                self._message = message

    def _close(self) -> None:
        if self._message is not None:
            self._take(self._message)
            self._message = None

    def _take(self, message: bytes) -> None:
        if message.startswith(b"export ") and b"=" in message:
            self._run = self._run or Submission()
            name, _, value = message[len(b"export "):].partition(b"=")
            self._run.exports[text(name)] = text(value[:-1] if value.endswith(END) else value)
        elif not message:
            self._run = self._run or Submission()
            self._run.cut = True
        elif TASK_ID.match(message):
            # The exports of this rule come just before; others are logged when a rule fails.
            self._next, self._run = self._run or Submission(), None
        else:
            self._run = None
            ready, expected, source = READY.match(message), EXPECTED.match(message), SOURCE.match(message)
            if ready:
                self.submissions[int(ready[1])] = self._next
            elif expected:
                self._next.outputs.append(text(expected[1]))
            named = expected or source
            if named and b"," in named[1]:
                self.with_commas.append(text(named[1]))


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


class DebugLog:
    """The scheduler's view of the log: what makeflow logged about a task whose record was read. Not thread-safe."""

    def __init__(self, path: Path, sent: Mapping[str, str] | None, inherited: Mapping[str, str]) -> None:
        """`sent`: the environment for every task (--send-environment); `inherited`: makeflow's own."""
        self._path = path
        self._sent = sent or {}
        self._threads = inherited.get(THREADS)
        self._file: FileIO | None = None
        """Kept open: tasks would fail for good if no descriptor were free when they come."""
        with contextlib.suppress(OSError):
            self._open()
        self._parser = DebugParser()

    def _open(self) -> FileIO:
        self._file = self._file or FileIO(self._path)
        return self._file

    def read(self) -> None:
        """Read new entries. Raises OSError."""
        self._parser.feed(self._open().readall())

    def with_commas(self) -> list[str]:
        """The names of files with commas that were logged since the last call."""
        names, self._parser.with_commas = self._parser.with_commas, []
        return names

    def of(self, task_id: int) -> Submission | None:
        """The log of a task; asked once per task."""
        return self._parser.submissions.pop(task_id, None)

    def environment(self, exports: Mapping[str, str]) -> dict[str, str]:
        """As makeflow's other drivers set it: the first source wins, and the number of threads follows the cores.

        Unless the workflow sets CORES, the executor sets it to the allocation.
        """
        threads = exports.get(THREADS, self._threads)
        made = dict(self._sent)
        if threads is not None:
            made.setdefault(CORES, threads)
            made.setdefault(THREADS, threads)
        else:
            made.setdefault(THREADS, exports.get(CORES, "1"))
        for name, value in exports.items():
            made.setdefault(name, value)
        return made


def sendable(environ: Mapping[str, str], secret: str) -> dict[str, str]:
    """The variables for every task with --send-environment: all but mfmesos's secret and those that describe this
    place.
    """
    return {name: value for name, value in environ.items() if name not in NOT_SENT and name != secret}


class LogFile:
    """An empty log for this user only, with reserved space on a disk that fills up."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        path.unlink(missing_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._reserved = 0
        self.reserve()

    def reserve(self) -> None:
        """To be called from time to time; a no-op if the file system does not support it, or is full."""
        size = os.fstat(self._fd).st_size
        if size + RESERVE // 2 <= self._reserved:
            return
        fallocate = ctypes.CDLL(None).fallocate
        fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
        if fallocate(self._fd, KEEP_SIZE, size, RESERVE) == 0:
            self._reserved = size + RESERVE

    def remove(self) -> None:
        os.close(self._fd)
        self.path.unlink(missing_ok=True)


def options(path: Path) -> list[str]:
    """The options with which makeflow writes it."""
    return [word for flag in FLAGS for word in ("-d", flag)] + ["-o", str(path), "--debug-rotate-max=0"]


def last_fatal(path: Path) -> str:
    """makeflow's last fatal error, on one line; empty if there was none."""
    try:
        with path.open("rb") as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(max(0, size - FATAL_WITHIN))
            lines = f.read().splitlines()
    except OSError:
        return ""
    messages: list[tuple[bytes, list[bytes]]] = []
    for line in lines:
        head = HEAD.match(line)
        if head is not None:
            messages.append((head[2], [line[head.end():]]))
        elif messages:
            messages[-1][1].append(line)
    if not messages or messages[-1][0] != b"fatal":
        return ""
    notice = _words(messages[-2][1]) if messages[-2:-1] and messages[-2][0] == b"notice" else ""
    return _with_reason(_words(messages[-1][1]), notice)


def _words(lines: Sequence[bytes]) -> str:
    words = text(b" ".join(lines)).split()
    return " ".join(words[1:] if words[:1] == ["makeflow:"] else words)


def _with_reason(fatal: str, notice: str) -> str:
    """For a workflow in JSON or JX the reason is in the preceding message, or on the terminal only; the system error
    that makeflow appends is then some earlier error.
    """
    if not fatal.startswith(NOT_LOADED):
        return fatal
    name, _, error = fatal[len(NOT_LOADED):].rpartition(": ")
    if notice:
        return m.WORKFLOW_NOTICE(name=name, notice=notice)
    return fatal if error in OF_THE_SYSTEM else m.WORKFLOW_INVALID(name=name)


class Forward:
    """Forwards the user's own debug log (-d, -o) to its place, since makeflow writes its log for mfmesos.

    makeflow itself writes errors and notices to stderr.
    """

    def __init__(self, source: Path, flags: Sequence[str], target: str | None) -> None:
        """`flags`: those of -d; `target`: that of -o. Raises OSError if it cannot be opened."""
        self._source = source
        self._labels = {b"makeflow" if flag.startswith("makeflow") else flag.encode() for flag in flags}
        self._exports = bool({"all", "makeflow", "makeflow_run"} & set(flags))
        standard = {":stderr": 2, ":stdout": 1}.get(target or ":stderr")
        self._fd = os.dup(standard) if standard else os.open(
            target or "", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o660)
        if standard != 2:
            self._labels |= {b"fatal", b"error", b"notice"}
        self._offset = 0
        self._half = b""
        self._passing = False

    def look(self) -> None:
        """Forward new lines; nothing on a full disk."""
        try:
            with self._source.open("rb") as f:
                f.seek(self._offset)
                data = f.read()
        except OSError:
            return
        self._offset += len(data)
        *lines, self._half = (self._half + data).split(b"\n")
        wanted = b"".join(line.replace(END, b"") + b"\n" for line in lines if self._wants(line))
        try:
            while wanted:
                wanted = wanted[os.write(self._fd, wanted):]
        except OSError:
            return

    def _wants(self, line: bytes) -> bool:
        head = HEAD.match(line)
        if head is not None:
            export = line.startswith(b"export ", head.end())
            self._passing = (head[2] in self._labels or b"all" in self._labels) and (self._exports or not export)
        return self._passing

    def close(self) -> None:
        """Close after a last look."""
        self.look()
        os.close(self._fd)
