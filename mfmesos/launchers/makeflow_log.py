"""The makeflowlog, makeflow's own log of a run, from which makeflow recovers. Parsed here, and mended after a crash.

A line is `TIME NODE STATE JOBID WAITING RUNNING COMPLETE FAILED ABORTED TOTAL` (TIME in microseconds), or begins with
#. Reference: cctools, makeflow/src/makeflow_log.c; `# FILE` lines name the log of the batch system, and so the batch
type.
"""
from __future__ import annotations

import enum
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

BATCH_LOG = re.compile(r"# FILE \d+ (?P<name>.+\.(?P<kind>[a-z0-9-]+)log) 1 0\s*$")
BACKUP = ".before-mfmesos"


class NodeState(enum.IntEnum):
    WAITING = 0
    RUNNING = 1
    COMPLETE = 2
    FAILED = 3
    ABORTED = 4


@dataclass
class Node:
    state: NodeState
    jobs: list[int] = field(default_factory=list)
    """Every job id of the rule's submissions, in order; pids for LOCAL rules."""


@dataclass
class LogState:
    """The summary of a makeflowlog."""

    nodes: dict[int, Node] = field(default_factory=dict)
    total: int = 0
    kind: str = ""
    """The batch type of the last run, by the name of its batch log: mesos, batch (local), wq, ...; may be empty."""
    completed: bool = False
    """Whether the last run in the log ended by itself."""
    started: bool = False
    """Whether makeflow has read the workflow and started to run it, and has not ended."""
    outputs: dict[int, list[str]] = field(default_factory=dict)
    """The expected outputs of each node, in the order of the log."""
    _expected: list[str] = field(default_factory=list)

    def feed(self, line: str) -> None:
        """Process one line, without its newline."""
        if line.startswith("#"):
            self._comment(line)
            return
        numbers = parse_line(line)
        if numbers is None:
            return
        _, node_id, state, job = numbers[:4]
        # With a storage limit makeflow's own total counts a node that is no rule; its counts by state do not.
        self.total = min(sum(numbers[4:9]) or numbers[9], numbers[9]) or self.total
        node = self.nodes.setdefault(node_id, Node(NodeState.WAITING))
        node.state = NodeState(state)
        if node.state is NodeState.RUNNING:
            node.jobs.append(job)
            if self._expected:
                self.outputs[node_id] = self._expected
        self._expected = []

    def _comment(self, line: str) -> None:
        words = line.split()
        if line.startswith(("# STARTED", "# COMPLETED", "# FAILED", "# ABORTED")):
            self.started = words[1] == "STARTED"
            self.completed = words[1] == "COMPLETED"
        elif len(words) >= 6 and words[1] == "FILE" and words[-2] == "1":
            match = BATCH_LOG.match(line)
            if match:
                self.kind = match["kind"]
            elif words[-1] != "0":
                name = line.split(" ", 3)[-1].rsplit(" ", 2)[0]  # the name may contain spaces
                self._expected = [*self._expected, name]

    def in_state(self, *states: NodeState) -> list[int]:
        return sorted(n for n, node in self.nodes.items() if node.state in states)

    @property
    def submitted(self) -> int:
        """How many times rules were started, including earlier runs."""
        return sum(len(node.jobs) for node in self.nodes.values())

    @property
    def waiting(self) -> int:
        """Rules that were not started: makeflow logs nothing about them."""
        return self.total - len(self.nodes) + len(self.in_state(NodeState.WAITING))


def parse_line(line: str) -> tuple[int, ...] | None:
    """The ten numbers of a state line, or None."""
    words = line.split()
    if len(words) != 10 or not all(w.lstrip("-").isdigit() for w in words) or words[2] not in "01234":
        return None
    return tuple(int(w) for w in words)


class LogFollower:
    """Reads the new lines of a makeflowlog at each call; handles a replaced file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = LogState()
        self._offset = 0
        self._inode = 0
        self._half = b""

    def read(self) -> bool:
        """Process the new lines; returns whether new lines were found."""
        try:
            with self.path.open("rb") as f:
                status = os.fstat(f.fileno())
                if status.st_ino != self._inode or status.st_size < self._offset:
                    self.state, self._offset, self._half, self._inode = LogState(), 0, b"", status.st_ino
                f.seek(self._offset)
                data = f.read()
        except FileNotFoundError:
            return False
        self._offset += len(data)
        *lines, self._half = (self._half + data).split(b"\n")
        for line in lines:
            self.state.feed(line.decode(errors="surrogateescape"))
        return bool(lines)


@dataclass(frozen=True)
class Mending:
    """The effect of `mend`: nodes set to aborted, bytes of an incomplete line removed, and the name of the copy made
    before.
    """

    nodes: tuple[int, ...] = ()
    cut: int = 0
    backup: Path | None = None
    kind: str = ""


def mend(path: Path, now_us: int, *, foreign: bool = False) -> Mending:
    """Make the log of a killed `-T mesos` run recoverable for makeflow; a sound log is not changed.

    Running nodes are set to aborted (makeflow would try to remove jobs that it does not know, and crash), and an
    incomplete last line, which makeflow calls corrupt, is removed. Nodes in a log of another batch type are mended only
    with `foreign`; otherwise `kind` names the batch type. Raises OSError.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Mending()
    whole = data[: data.rfind(b"\n") + 1]
    log = LogState()
    for line in whole.decode(errors="surrogateescape").split("\n"):
        log.feed(line)
    running = log.in_state(NodeState.RUNNING)
    if running and not foreign and log.kind not in ("", "mesos"):
        return Mending(nodes=tuple(running), kind=log.kind)
    cut = len(data) - len(whole)
    if not running and not cut:
        return Mending()
    backup = path.with_name(path.name + BACKUP)
    shutil.copy2(path, backup)
    lines = [f"{now_us} {n} {int(NodeState.ABORTED)} {log.nodes[n].jobs[-1]} 0 0 0 0 0 0\n" for n in running]
    with path.open("r+b") as f:
        f.truncate(len(whole))
        f.seek(0, os.SEEK_END)
        f.write("".join(lines).encode())
        f.flush()
        os.fsync(f.fileno())
    return Mending(nodes=tuple(running), cut=cut, backup=backup, kind=log.kind)
