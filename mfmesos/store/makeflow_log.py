"""The makeflowlog, makeflow's own log of a run, from which makeflow recovers.

A line is `TIME NODE STATE JOBID WAITING RUNNING COMPLETE FAILED ABORTED TOTAL` (TIME in microseconds), or begins with
#. Reference: cctools, makeflow/src/makeflow_log.c; `# FILE` lines name the log of the batch system, and so the batch
type.
"""
from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

BATCH_LOG = re.compile(r"# FILE \d+ (?P<name>.+\.(?P<kind>[a-z0-9-]+)log) 1 0\s*$")
POINTER = "makeflow-log"
"""In .mfmesos: the path of the log of the last run of makeflow."""


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


def remember(state_dir: Path, log: Path) -> None:
    """For `outputs_of`. Raises OSError."""
    (state_dir / POINTER).write_bytes(os.fsencode(log))


def outputs_of(state_dir: Path, rule: int) -> list[str]:
    """The outputs of a rule that makeflow has started in this run or before; otherwise empty."""
    try:
        log = LogFollower(Path(os.fsdecode((state_dir / POINTER).read_bytes())))
        log.read()
    except OSError:
        return []
    return log.state.outputs.get(rule, [])
