"""What a task of some shape is given: what was requested, and the estimates of its category for the rest.

A category's history is learned when its first task comes. An estimate is renewed when more is known: at once while
little is known, later at most every REFRESH_S, so that its cost does not grow with the number of tasks.
"""
from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Task
from mfmesos.core.needs import OVERRIDE, Need
from mfmesos.core.policy import Policy
from mfmesos.core.records import Kind, Known, Shape
from mfmesos.estimates.category import category_of, exact, signature
from mfmesos.estimates.estimator import Estimator
from mfmesos.estimates.estimators import Estimates
from mfmesos.estimates.learning import is_short, learn, newest, recall
from mfmesos.estimates.own_command import MARGINS
from mfmesos.shared.same import Same

LEAST_MB = 16.0
"""Of memory and of disk: less is not worth the risk that a shell or a message is too large."""
SMALLEST_OWN_MB = LEAST_MB / MARGINS[-1]
"""What a command used before counts as no less: all that it could lead to is LEAST_MB, and each value is a shape."""
INPUT_SLACK = 1.05
"""Inputs lie in the sandbox, too, and their size is known, but for the step of Kind.rough."""
LEAST_CORES = 0.25
"""Of an estimate: cores are not enforced, and tasks that wait for each other's cores look as if they needed few."""
CORE_STEP = 0.25
"""Estimates of cores are multiples of this."""
CORE_SLACK = 0.1
"""In cores: a program of one thread is measured with a little more than one core now and then."""
FRESH_SAMPLES, REFRESH_S = 20, 1.0
"""Each of the first FRESH_SAMPLES attempts of a category renews its estimates; later ones do every REFRESH_S."""
MANY_SHORT, ONE_IN = 50, 20
"""After MANY_SHORT attempts of a category one in ONE_IN of its short attempts is learned (docs/performance.md,
Estimates)."""
JUDGED_PER_ESTIMATE = 50
"""That many attempts of a category judge the candidates for each estimate that is asked for: nobody asks where
everything is requested, and with hundreds of ends in a second each of them changes little."""
MOST_CACHED = 10_000
"""Shapes whose need is remembered."""


def needs_for(policy: Policy) -> EstimatedNeeds:
    """For a run under `policy`: its mode, retry budget and defaults."""
    return EstimatedNeeds(policy.estimates, Estimates.for_run(policy.retry_budget, policy.defaults))


class EstimatedNeeds:
    """The core's `Needs`, from the estimators of one run."""

    def __init__(self, mode: str, estimates: Estimates) -> None:
        self.mode = mode
        self._estimates = estimates
        self._history: dict[str, list[Attempt]] = defaultdict(list)
        self._expected: set[str] = set()
        self._seen: Counter[str] = Counter()
        self._exhausted: Counter[str] = Counter()
        self._unasked: Counter[str] = Counter()
        """Attempts since the last estimate, by category."""
        self._cache: dict[Shape, tuple[tuple[int, int], Need]] = {}
        self._times: dict[tuple[str, float], tuple[int, float | None]] = {}
        self._glances: dict[Shape, tuple[tuple[int, int], Need]] = {}
        self._signatures: Same[str] = Same()

    def remember(self, attempts: Iterable[Attempt]) -> None:
        """What earlier runs left, oldest first. Tasks that were restored have come before."""
        for attempt in attempts:
            self._history[attempt.category].append(attempt)
        for category in [name for name in self._history if name in self._expected]:
            self.expect(category)

    def expect(self, category: str) -> None:
        """A task of that category has come."""
        self._expected.add(category)
        attempts = self._history.pop(category, [])
        recall(self._estimates, attempts)
        for attempt, judge in newest(attempts):
            self._learn(attempt, judge=judge)

    def category(self, task: Task) -> str:
        return category_of(task)

    def signature(self, task: Task) -> str:
        return self._signatures.of(signature(task.command, (*task.inputs, *task.outputs)))

    def exact(self, command: str) -> str:
        return exact(command)

    def known(self, command: str, input_mb: float) -> Known:
        """What this very command used before; of a category that is expected."""
        own = self._estimates.commands.of(exact(command), input_mb)
        return Known(*(max(mb, SMALLEST_OWN_MB) if mb else mb for mb in own))

    def learn(self, attempt: Attempt) -> None:
        """An attempt of this run has ended."""
        seen = self._seen[attempt.category]
        if seen > MANY_SHORT and is_short(attempt) and seen % ONE_IN:
            self._seen[attempt.category] += 1
        else:
            self._unasked[attempt.category] += 1
            self._learn(attempt, judge=self._unasked[attempt.category] <= JUDGED_PER_ESTIMATE)

    def _learn(self, attempt: Attempt, *, judge: bool = True) -> None:
        self._seen[attempt.category] += 1
        if attempt.outcome.startswith("exhausted:"):
            self._exhausted[attempt.category] += 1
        learn(self._estimates, attempt, judge=judge)

    def lasts_s(self, category: str) -> float:
        few = self._seen[category] <= FRESH_SAMPLES
        return 0.0 if few else REFRESH_S

    def retry(
        self, kind: Kind, resource: str, allocation: float, declared: float | None, largest: float | None,
    ) -> float:
        """How much of the exhausted resource the next attempt gets, in whole MB."""
        return math.ceil(self._estimates.retry(
            kind.category, resource, allocation, kind.input_mb, declared=declared, largest=largest))

    def of(self, shape: Shape, now: float) -> Need:
        """What a task of that shape is given."""
        if shape.kind is not None and (self.mode == OVERRIDE or None in (shape.memory_mb, shape.disk_mb)):
            self._unasked.pop(shape.kind.category, None)
        return self._remembered(shape, self._cache)

    def glance(self, shape: Shape) -> Need:
        """See core.needs."""
        return self._remembered(shape, self._glances)

    def _remembered(self, shape: Shape, cache: dict[Shape, tuple[tuple[int, int], Need]]) -> Need:
        if shape.kind is None:
            return Need(*shape[:6], others=shape.others)
        category = shape.kind.category
        version = self._seen[category], self._exhausted[category]
        known = cache.get(shape)
        if known is not None and known[0] == version:
            return known[1]
        if len(cache) >= MOST_CACHED:
            cache.clear()
        need = self._estimate(shape, shape.kind)
        cache[shape] = version, need
        return need

    def _estimate(self, shape: Shape, kind: Kind) -> Need:
        estimates = self._estimates
        memory = self._fill(estimates.memory, kind, shape.memory_mb, kind.own.memory_mb)
        disk = self._fill(estimates.disk, kind, shape.disk_mb, kind.own.disk_mb)
        return Need(
            self._cores(kind, shape.cores), _at_least(memory, shape.memory_mb, shape.floor_memory_mb),
            _at_least(disk, shape.disk_mb, shape.floor_disk_mb, LEAST_MB + INPUT_SLACK * kind.input_mb), shape.gpus,
            shape.floor_memory_mb, shape.floor_disk_mb, self._seconds(kind),
            estimates.longest_s(kind.category), shape.others)

    def _seconds(self, kind: Kind) -> float | None:
        """How long it will probably run: the same for the many shapes that differ in what they request."""
        key, seen = (kind.category, kind.input_mb), self._seen[kind.category]
        known = self._times.get(key)
        if known is not None and known[0] == seen:
            return known[1]
        if len(self._times) >= MOST_CACHED:
            self._times.clear()
        seconds = self._estimates.seconds(*key)
        self._times[key] = seen, seconds
        return seconds

    def _cores(self, kind: Kind, declared: float | None) -> float | None:
        """What such tasks usually use: a task that gets too few is only slower, so there is no margin."""
        if declared is not None and self.mode != OVERRIDE:
            return declared
        usual = self._estimates.cores.typical(kind.category, kind.input_mb)
        if usual is None:
            return declared
        return max(math.ceil((usual - CORE_SLACK) / CORE_STEP) * CORE_STEP, LEAST_CORES)

    def _fill(self, estimator: Estimator, kind: Kind, declared: float | None, own: float) -> float | None:
        """Declared, estimated, or None while nothing is known."""
        if declared is not None and self.mode != OVERRIDE:
            return declared
        estimate = estimator.predict(kind.category, kind.input_mb, declared=declared, context=kind.context, own=own)
        return estimate.allocation if estimate.samples else declared


def _at_least(
    amount: float | None, declared: float | None, floor: float, least: float = LEAST_MB,
) -> float | None:
    if amount is None or amount == declared:
        return amount if not floor or amount is None else max(amount, floor)
    return max(float(math.ceil(amount)), floor, float(math.ceil(least)))

