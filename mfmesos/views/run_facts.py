"""All that the record knows of one run, for reports and exports."""
from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

from mfmesos.store import makers
from mfmesos.store.run_reading import RunReader


class TaskRow(NamedTuple):
    """A task that has ended; columns of the record."""

    task: int
    state: str
    reason: str
    command: str
    category: str
    outputs: str
    inputs: str | None
    needs: str | None
    attempts: int
    submitted: float
    started: float | None
    ended: float
    claim: str
    host: str
    exit_code: int | None
    cores: float
    memory_mb: float
    disk_mb: float
    used_cores: float
    used_memory_mb: float
    used_disk_mb: float
    cpu_s: float
    wall_s: float
    input_bytes: int
    output_bytes: int | None
    asked_cores: float | None
    asked_memory_mb: float | None

    @property
    def makers(self) -> Iterator[int]:
        """The tasks that made its inputs, first the one that ended last."""
        return makers.read(self.needs or "")


class AttemptRow(NamedTuple):
    """An attempt that ended before another of its task."""

    task: int
    attempt: int
    reason: str
    started: float | None
    ended: float
    claim: str
    host: str
    cores: float
    memory_mb: float
    cpu_s: float
    wall_s: float


Ran = Union[TaskRow, AttemptRow]
"""An attempt: the last one of a task, or one before."""


class ClaimRow(NamedTuple):
    claim: str
    agent: str
    host: str
    opened: float
    ended: float | None
    cores: float
    memory_mb: float
    gpus_isolated: int | None = None
    """1: its agent kept its GPUs apart from other claims; None: it had none, has not ended, or it is not known."""


class Sample(NamedTuple):
    """What the run held."""

    at: float
    claims: int
    cores: float
    memory_mb: float
    running: int
    waiting: int


@dataclass(frozen=True)
class RunFacts:
    run: Mapping[str, Any]
    """Its row of the record."""
    tasks: list[TaskRow]
    """In the order of their numbers."""
    attempts: list[AttemptRow]
    claims: list[ClaimRow]
    samples: list[Sample]
    begin: float
    """Seconds since the epoch."""
    end: float
    """Of the run or, while it lasts, the last thing that is known."""
    agents: Mapping[str, str]
    """By claim: the name of its agent's host, with a number where several agents share one."""

    def agent(self, row: Ran) -> str:
        return self.agents.get(row.claim, row.host)

    def held(self) -> list[tuple[float, float, float, float]]:
        """From when until when the run held how many cores and MB: from its samples or, of a short run, its claims. A
        sample comes a moment after what it found, so that it counts from the first claim opened since the one before.
        """
        if not self.samples:
            return [(one.opened, one.ended or self.end, one.cores, one.memory_mb) for one in self.claims]
        opened = sorted(claim.opened for claim in self.claims)
        begins, before = [], self.begin
        for sample in self.samples:
            first = bisect(opened, before)
            begins.append(min(sample.at, opened[first]) if first < len(opened) else sample.at)
            before = sample.at
        return [(begin, end, one.cores, one.memory_mb)
                for begin, end, one in zip(begins, [*begins[1:], self.end], self.samples)]

    def ran(self) -> list[Ran]:
        """Every attempt that an agent was given."""
        return [row for rows in (self.attempts, self.tasks) for row in rows if row.claim and row.started is not None]


def span(row: Ran) -> float:
    """Seconds from the assignment of the attempt to its end, with transfers."""
    return max(row.ended - row.started, 0.0) if row.started is not None else 0.0


def load(reader: RunReader, run: Mapping[str, Any]) -> RunFacts:
    """Raises RecordError."""
    number = run["run"]
    tasks = [TaskRow._make(row) for row in reader.every("tasks", number, TaskRow._fields, "task")]
    attempts = [AttemptRow._make(row) for row in reader.every("attempts", number, AttemptRow._fields, "task, attempt")]
    return _facts(reader, run, tasks, attempts)


def load_held(reader: RunReader, run: Mapping[str, Any], now: float) -> RunFacts:
    """Without tasks and attempts. `now`: the end of a run that lasts. Raises RecordError."""
    return _facts(reader, run, [], [], now)


def _facts(reader: RunReader, run: Mapping[str, Any], tasks: list[TaskRow], attempts: list[AttemptRow],
           now: float = 0.0) -> RunFacts:
    number = run["run"]
    claims = [ClaimRow._make(row) for row in reader.every("claims", number, ClaimRow._fields, "opened")]
    samples = [Sample._make(row) for row in reader.every("samples", number, Sample._fields, "at")]
    begin = min([run["started"], *(task.submitted for task in tasks)])
    end = run["ended"] or max([run["started"], now, *(task.ended for task in tasks), *(one.at for one in samples)])
    return RunFacts(run, tasks, attempts, claims, samples, begin, max(end, begin), _agents(claims))


def _agents(claims: list[ClaimRow]) -> dict[str, str]:
    on_host: dict[str, list[str]] = {}
    for claim in claims:
        known = on_host.setdefault(claim.host, [])
        if claim.agent not in known:
            known.append(claim.agent)
    return {claim.claim: claim.host if len(on_host[claim.host]) == 1
            else f"{claim.host} #{on_host[claim.host].index(claim.agent) + 1}" for claim in claims}
