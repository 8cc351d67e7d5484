"""The core in virtual time with one claim of all cores, whose executor takes no time: jobs in, start times out."""
from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.core import Core
from mfmesos.core.model import Agent, Offer, Request, Resources, Task
from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.shared import wire

NEVER_S = 1e12
ARRIVES, LOOK = -1, -2
"""What happens at a moment, other than the end of a job."""


class Drawn(NamedTuple):
    """A job, whose run time the core knows by its category alone."""

    arrival: float
    cores: int
    lasts: float
    category: str
    priority: float = 0.0


def policy_of(order: str, reserve: str) -> Policy:
    """Under which the claim stays for ever, whatever its executor does."""
    return Policy(
        workdir="/w", batch_delay_s=0.0, ordering=order, planned_start=reserve, executor_memory_mb=0.0,
        claim_idle_s=NEVER_S, claim_worklife_s=NEVER_S, hold_s=NEVER_S, silence_note_s=NEVER_S, silence_s=NEVER_S,
        silence_lost_s=NEVER_S, drain_after_s=NEVER_S)


class OneClaim:
    """`seen` are run times of earlier jobs, by category."""

    def __init__(
        self, jobs: Sequence[Drawn], seen: Sequence[tuple[str, float]], cores: int, policy: Policy,
    ) -> None:
        self.core = Core(policy, needs_for(policy))
        self.jobs, self.starts = jobs, [math.nan] * len(jobs)
        self.promised: dict[int, float] = {}
        """By job: the first planned start."""
        self._turn, self._now, self._seq, self._claim = count(), 0.0, 0, ""
        self._looks: set[float] = set()
        self._moments: list[tuple[float, int, int]] = [(job.arrival, n, ARRIVES) for n, job in enumerate(jobs)]
        heapq.heapify(self._moments)
        self._running: list[str] = []
        whole = Resources(cores, 1e6, 1e6)
        self._send(ev.HistoryLoaded(tuple(Attempt(0.0, category, "finished", wall_s=s) for category, s in seen)))
        self._send(ev.Registered("f", "m"), ev.AgentsListed((Agent("a", "a", whole),), None),
                   self._task(0, Drawn(0.0, cores, 0.0, "all")))
        self._send(ev.OffersReceived((Offer("o", "a", "a", whole),)))

    def _task(self, number: int, job: Drawn) -> ev.Event:
        return ev.TaskSubmitted(Task(
            number, "x", (), (), Request(job.cores, 1.0, 1.0), job.category, priority=job.priority))

    def _send(self, *events: ev.Event) -> None:
        waiting = list(events)
        while waiting or self.core.state.unfinished:
            batch, waiting = tuple(waiting) or (ev.Tick(),), []
            for action in self.core.handle_all(batch, self._now):
                if isinstance(action, act.OpenClaim):
                    self._claim = action.claim_id
                    waiting.append(self._sync())
                elif isinstance(action, act.AnswerSync) and not action.answer.superseded:
                    for run in action.answer.run:
                        self._start(run.attempt)
                    waiting.append(self._sync())
                elif isinstance(action, act.PublishOutputs):
                    waiting.append(ev.OutputsPublished(action.attempt_id))
        for hold in self.core.state.holds:
            self.promised.setdefault(hold.task_id, hold.at)
            if hold.at not in self._looks and hold.at < math.inf:  # the scheduler would tick every second
                self._looks.add(hold.at)
                heapq.heappush(self._moments, (max(hold.at, self._now) + 1.0, next(self._turn), LOOK))

    def _sync(self, *results: wire.Result) -> ev.Event:
        self._seq += 1
        return ev.ClaimSynced(self._claim, self._seq, 10**9, tuple(self._running), results)

    def _start(self, attempt: str) -> None:
        number = int(attempt.partition(".")[0])
        self._running.append(attempt)
        lasts = self.jobs[number - 1].lasts if number else 0.0
        if number:
            self.starts[number - 1] = self._now
        heapq.heappush(self._moments, (self._now + lasts, next(self._turn), number))

    def run(self) -> list[float]:
        """The start of each job."""
        while self._moments:
            self._now, which, ended = heapq.heappop(self._moments)
            if ended == LOOK:
                self._send(ev.Tick())
                continue
            if ended == ARRIVES:
                self._send(self._task(which + 1, self.jobs[which]))
                continue
            attempt = next(one for one in self._running if int(one.partition(".")[0]) == ended)
            self._running.remove(attempt)
            lasted = self.jobs[ended - 1].lasts if ended else 0.0
            self._send(self._sync(wire.Result(attempt, wire.FINISHED, usage=wire.Usage(1.0, 0.0, 1.0, lasted, lasted))))
        return self.starts

    def late(self) -> int:
        """Jobs that started after their first planned start."""
        return sum(self.starts[number - 1] > at + 1e-6 for number, at in self.promised.items() if number)
