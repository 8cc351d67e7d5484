"""One run of ours in virtual time: the live core, with its events from and its actions to simulated parts."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Callable

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.core import Core
from mfmesos.core.model import Resources, StagedInput, Task
from mfmesos.core.needs import Needs
from mfmesos.core.policy import Policy
from mfmesos.shared import wire
from mfmesos.simulate.cluster_model import Cluster
from mfmesos.simulate.measuring import RunMeasures
from mfmesos.simulate.simulated_executor import SimExecutor
from mfmesos.simulate.simulated_master import SimMaster
from mfmesos.simulate.simulated_subscription import SimSubscription
from mfmesos.simulate.virtual_time import VirtualTime
from mfmesos.simulate.workload_model import SimTask, Workload

TICK_S = 0.5
WAKE_S = 0.001
"""After the time for which the core asked, as in the scheduler."""
WINDOW = 100_000
"""Tasks that the core knows at a time: the rest of a workload is read as these end."""
TOGETHER = 100
MB = 2**20


class OwnFramework:
    """Starts at the workload's time; `over` when the core is."""

    def __init__(self, workload: Workload, policy: Policy, needs: Needs, clusters: Sequence[tuple[Cluster, SimMaster]],
                 time: VirtualTime, measures: RunMeasures, window: int = WINDOW) -> None:
        self.name, self.role, self.measures, self.over = workload.name, workload.role, measures, False
        self.failure: str | None = None
        names = [master.name for _, master in clusters]
        self.core, self._time = Core(policy, needs, names), time
        self.links = {master.name: SimSubscription(cluster, master, time, self) for cluster, master in clusters}
        """By cluster."""
        self._link_of: dict[str, SimSubscription] = {}
        """By claim, as long as its executor lives."""
        self._publish_s, self._turn_s = clusters[0][0].costs.publish_s, clusters[0][0].costs.turn_s
        self._turns_at = 0.0
        """When the present pass of its loop ends."""
        self._source = iter(workload.tasks)
        self._next: SimTask | None = None
        """The next one, which has not arrived, or finds no room in the window."""
        self._woken_for = -1.0
        self._begins, self._window = workload.at_s, window
        self._tasks: dict[int, SimTask] = {}
        self._waits: dict[int, tuple[SimTask, int]] = {}
        """Tasks with parents that have not finished, and how many."""
        self._children: defaultdict[int, list[int]] = defaultdict(list)
        self._finished: set[int] = set()
        """Tasks that may have children; kept only for workloads with parents."""
        self._failed: set[int] = set()
        self._pending: list[ev.Event] = []
        self._draining = False
        self._wake_at: float | None = None
        self._perform: dict[type, Callable[[Any], object]] = {
            act.AnswerSync: self._answer, act.PublishOutputs: self._publish, act.ReportTask: self._report,
            act.OpenClaim: self._open, act.Over: self._end,
            act.DeclineOffers: lambda one: self.links[one.cluster].decline(one),
            act.ListAgents: lambda one: self.links[one.cluster].list_agents(one),
            act.ListUse: lambda one: self.links[one.cluster].list_use(one),
            act.KillClaim: lambda one: self.links[one.cluster].kill(one),
            act.Reconcile: lambda one: self.links[one.cluster].reconcile(one),
            act.Suppress: lambda one: self.links[one.cluster].suppress(one),
            act.Revive: lambda one: self.links[one.cluster].revive(one),
            act.Note: lambda note: measures.note(note.level, note.text),
        }
        """The other actions are for the journal, the history and the staging server."""
        time.at(self._begins, self._start)

    def _start(self) -> None:
        for link in self.links.values():
            link.subscribe()
        self._feed()
        self._tick()

    def _tick(self) -> None:
        if not self.over:
            self.post(ev.Tick())
            self._time.after(TICK_S, self._tick)

    # --- events in -------------------------------------------------------------------------------
    def post(self, event: ev.Event) -> None:
        """Handled with all others of the same moment, and those that came during the last pass, as the scheduler's loop
        does.
        """
        self._pending.append(event)
        if not self._draining:
            self._draining = True
            self._time.at(self._turns_at, self._drain)

    def _drain(self) -> None:
        self._draining, self._turns_at = False, self._time.now + self._turn_s
        if self.over:
            self._pending.clear()
            return
        batch, self._pending = self._pending, []
        self.measures.calls += 1
        for action in self.core.handle_all(tuple(batch), self._time.now):
            self._carry_out(action)
        at = self.core.wakeup()
        if at is not None and not self.over and (self._wake_at is None or at < self._wake_at):
            self._wake_at = at
            self._time.at(at + WAKE_S, lambda: self._wake(at))

    def _wake(self, at: float) -> None:
        if self._wake_at == at:
            self._wake_at = None
            self.post(ev.Tick())

    # --- actions out -----------------------------------------------------------------------------
    def _carry_out(self, action: act.Action) -> None:
        perform = self._perform.get(type(action))
        if perform is not None:
            perform(action)

    def _answer(self, action: act.AnswerSync) -> None:
        link = self._link_of.get(action.claim_id)
        executor = link.executors.get(action.claim_id) if link is not None else None
        if executor is not None:
            executor.answered(action.seq, action.answer)

    def _publish(self, action: act.PublishOutputs) -> None:
        self._time.after(self._publish_s, lambda: self.post(ev.OutputsPublished(action.attempt_id)))

    def _end(self, action: act.Over) -> None:
        self.over, self.failure = True, action.failure
        for link in self.links.values():
            link.leave()

    def _open(self, action: act.OpenClaim) -> None:
        link = self.links[action.cluster]
        start_s = link.costs.start_of(self.measures.claims)
        if link.launch(action, lambda agent: SimExecutor(
                action, agent, link.costs, self._time, self, self._executor_ended, start_s)):
            self._link_of[action.claim_id] = link
            self.measures.claim_opened(action, start_s, self._time.now)

    def _executor_ended(self, executor: SimExecutor) -> None:
        self._link_of.pop(executor.claim.claim_id).ended(executor)
        self.measures.claim_ended(executor.claim, self._time.now)

    def gave_back(self, executor: SimExecutor, part: Resources) -> None:
        """A slice of the claim is free for others."""
        self._link_of[executor.claim.claim_id].let_go(executor, part)
        self.measures.claim_shrank(executor.claim, part, self._time.now)

    # --- tasks -----------------------------------------------------------------------------------
    def task(self, task_id: int) -> SimTask:
        return self._tasks[task_id]

    def started(self, run: wire.Run) -> None:
        self.measures.started(run, self._time.now)

    def stopped(self, run: wire.Run, outcome: str) -> None:
        self.measures.stopped(run, outcome, self._time.now)

    def _feed(self) -> None:
        """Submit what has arrived, as far as the window allows."""
        while len(self._tasks) + len(self._waits) < self._window:
            task = self._next if self._next is not None else next(self._source, None)
            self._next = None
            if task is None:
                if not self.core.state.complete and not self._waits:
                    self.post(ev.NoMoreTasks())
                return
            due = self._begins + task.at_s
            if due > self._time.now:
                self._next = task
                if due > self._woken_for:
                    self._woken_for = due
                    self._time.at(due, self._feed)
                return
            missing = [p for p in task.parents if p not in self._finished]
            if any(p in self._failed for p in missing):
                self._skip(task.id)
            elif missing:
                self._waits[task.id] = (task, len(missing))
                for parent in missing:
                    self._children[parent].append(task.id)
            else:
                self._submit(task)

    def _submit(self, task: SimTask) -> None:
        self._tasks[task.id] = task
        self.measures.submitted(task, self._time.now)
        inputs = () if task.input_mb is None else (
            StagedInput("in", f"in{task.id}", int(task.input_mb * MB), 0o644),)
        self.post(ev.TaskSubmitted(Task(
            task.id, task.command or f"{task.category} {task.id}", tuple(i.name for i in inputs), (), task.request,
            category=task.category or None), inputs))

    def _report(self, report: act.ReportTask) -> None:
        task = self._tasks.pop(report.task.id)
        self.measures.ended(task, report.finished, self._time.now, report.reason)
        if report.finished:
            self._finished.add(task.id)
        else:
            self._failed.add(task.id)
        for child in self._children.pop(task.id, ()):
            if child not in self._waits:
                continue
            if not report.finished:
                del self._waits[child]
                self._skip(child)
                continue
            waiting, missing = self._waits[child]
            if missing > 1:
                self._waits[child] = (waiting, missing - 1)
            else:
                del self._waits[child]
                self._submit(waiting)
        self._feed()

    def _skip(self, task_id: int) -> None:
        """It depends on a task that failed."""
        self.measures.skipped += 1
        self._failed.add(task_id)
        for child in self._children.pop(task_id, ()):
            if self._waits.pop(child, None) is not None:
                self._skip(child)
