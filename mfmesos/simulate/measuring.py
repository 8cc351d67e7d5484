"""What a simulation measures. Units: seconds, core-seconds, MB-seconds; times are virtual."""
from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from mfmesos.core.actions import OpenClaim
from mfmesos.core.model import Resources
from mfmesos.shared import wire
from mfmesos.simulate.workload_model import SimTask

SHORT_S = 10.0
"""In the bounded slowdown a shorter task counts as one of this length."""
MOST_NOTES = 20


@dataclass
class Level:
    """A cluster's use over time, all frameworks together."""

    now: float = 0.0
    cores: float = 0.0
    """Of running attempts."""
    memory_mb: float = 0.0
    held_cores: float = 0.0
    held_memory_mb: float = 0.0
    waiting: int = 0
    running: int = 0
    waited_s: float = 0.0
    """For how long any task waited."""
    busy: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Cores and memory of running attempts, while tasks waited."""
    total: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    """Cores and memory of running attempts, and of claims, at all times."""

    def advance(self, now: float) -> None:
        passed = now - self.now
        if passed <= 0:
            return
        self.now = now
        total = self.total
        total[0] += self.cores * passed
        total[1] += self.memory_mb * passed
        total[2] += self.held_cores * passed
        total[3] += self.held_memory_mb * passed
        if self.waiting > 0:
            self.waited_s += passed
            self.busy[0] += self.cores * passed
            self.busy[1] += self.memory_mb * passed


def need_of(task: SimTask) -> Resources:
    """What it takes of the cluster: its request, or what it uses."""
    asked = task.request
    return Resources(task.cores if asked.cores is None else asked.cores,
                     task.memory_mb if asked.memory_mb is None else asked.memory_mb)


class RunMeasures:
    """Of one run of ours."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self.tasks = self.finished = self.failed = self.skipped = self.attempts = self.calls = 0
        self.first_s = self.last_s = 0.0
        self.waits, self.slowdowns = array("d"), array("d")
        self.cores_s: defaultdict[str, float] = defaultdict(float)
        """Of attempts by outcome, and "starting" of claims before their first sync is due."""
        self.memory_s: defaultdict[str, float] = defaultdict(float)
        """Of attempts by outcome; "used" and "unused" of those that finished."""
        self.held_cores_s = self.held_memory_s = 0.0
        self.claims = self.open_claims = self.most_claims = 0
        self.claim_s = 0.0
        self.notes: list[str] = []
        self.reasons: Counter[str] = Counter()
        self.waiting_need = Resources()
        self.held = Resources()
        """By claims, their executors included."""
        self._submitted: dict[int, tuple[SimTask, float]] = {}
        self._started: dict[int, tuple[str, float]] = {}
        self._opened: dict[str, float] = {}
        self._left: dict[str, Resources] = {}
        """Of claims, without the slices that were given back."""

    # --- tasks -----------------------------------------------------------------------------------
    def submitted(self, task: SimTask, now: float) -> None:
        self._level.advance(now)
        self._level.waiting += 1
        if not self.tasks:
            self.first_s = now
        self.tasks += 1
        self._submitted[task.id] = (task, now)
        self.waiting_need = self.waiting_need + need_of(task)

    def started(self, run: wire.Run, now: float) -> None:
        level, task_id = self._level, int(run.attempt.partition(".")[0])
        level.advance(now)
        level.waiting -= 1
        level.running += 1
        level.cores += run.cores
        level.memory_mb += run.memory_mb
        self.attempts += 1
        self._started[task_id] = (run.attempt, now)
        self.waiting_need = self.waiting_need - need_of(self._submitted[task_id][0])

    def stopped(self, run: wire.Run, outcome: str, now: float) -> None:
        """An attempt no longer runs; unless it has finished, its task waits again or ends."""
        level, task_id = self._level, int(run.attempt.partition(".")[0])
        level.advance(now)
        level.running -= 1
        level.cores -= run.cores
        level.memory_mb -= run.memory_mb
        known = self._submitted.get(task_id)
        began = self._started[task_id][1] if task_id in self._started else now
        self.cores_s[outcome] += run.cores * (now - began)
        if outcome == wire.FINISHED and known is not None:
            used = min(known[0].memory_mb, run.memory_mb)
            self.memory_s["used"] += used * (now - began)
            self.memory_s["unused"] += (run.memory_mb - used) * (now - began)
        else:
            self.memory_s[outcome] += run.memory_mb * (now - began)
        if known is not None and outcome != wire.FINISHED:
            level.waiting += 1
            self.waiting_need = self.waiting_need + need_of(known[0])

    def ended(self, task: SimTask, finished: bool, now: float, reason: str) -> None:
        """A task has ended for good."""
        self.last_s = now
        submitted = self._submitted.pop(task.id)[1]
        _, started = self._started.pop(task.id, ("", now))
        if not finished:
            self._level.advance(now)
            self._level.waiting -= 1
            self.waiting_need = self.waiting_need - need_of(task)
            self.failed += 1
            self.reasons[reason] += 1
            return
        self.finished += 1
        wait, ran = started - submitted, now - started
        self.waits.append(wait)
        self.slowdowns.append(max(1.0, (wait + ran) / max(ran, SHORT_S)))

    # --- claims ----------------------------------------------------------------------------------
    def claim_opened(self, claim: OpenClaim, start_s: float, now: float) -> None:
        level, size = self._level, claim.resources
        level.advance(now)
        level.held_cores += size.cores
        level.held_memory_mb += size.memory_mb + claim.executor_memory_mb
        self.claims += 1
        self.open_claims += 1
        self.most_claims = max(self.most_claims, self.open_claims)
        self.cores_s["starting"] += size.cores * start_s
        self.held = self.held + size + Resources(memory_mb=claim.executor_memory_mb)
        self._opened[claim.claim_id] = now
        self._left[claim.claim_id] = size + Resources(memory_mb=claim.executor_memory_mb)

    def claim_shrank(self, claim: OpenClaim, part: Resources, now: float) -> None:
        """A slice of it was given back."""
        self._left[claim.claim_id] = self._left[claim.claim_id] - part
        self._not_held(part, now, now - self._opened[claim.claim_id])

    def _not_held(self, part: Resources, now: float, held_for_s: float) -> None:
        self._level.advance(now)
        self._level.held_cores -= part.cores
        self._level.held_memory_mb -= part.memory_mb
        self.held_cores_s += part.cores * held_for_s
        self.held_memory_s += part.memory_mb * held_for_s
        self.held = self.held - part

    def claim_ended(self, claim: OpenClaim, now: float) -> None:
        lived = now - self._opened.pop(claim.claim_id)
        self.open_claims -= 1
        self.claim_s += lived
        self._not_held(self._left.pop(claim.claim_id), now, lived)

    def note(self, level: str, text: str) -> None:
        """A line that a real run would have shown."""
        if level != "info" and len(self.notes) < MOST_NOTES:
            self.notes.append(text)
