"""The plan of the batch runner: which task waits for which other task, by the names of their files. Pure.

A task waits for every listed task that makes one of its inputs, a folder above it, or something in it. The graph has
two kinds of nodes, tasks and needs (an input's name, shared by all tasks that need it), so that 10,000 tasks that need
a folder which 10,000 others fill make 20,000 edges. All times are linear in the names and their depth, except for a
heap.
"""
from __future__ import annotations

import heapq
import itertools
from collections.abc import Container, Iterable
from typing import Callable

from mfmesos.core.model import Task
from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.values import value
from mfmesos.taskfiles import plan_check
from mfmesos.taskfiles.entries import Malformed, Submitted
from mfmesos.taskfiles.plan_graph import GONE, Need, Node, Status, folders_above, pending

MOST_CONSUMERS = 100
"""An input of more tasks is expected to have more readers."""
FAILED = m.FAILED_TO_MAKE()


@value(frozen=True)
class Blocked:
    """A task that can never run, and why."""

    task: Task
    line: int
    reason: str


class Plan:
    """`exists(name)` returns whether an input exists now. Not thread-safe.

    Before the start: `done_before`, `check` (nothing may start if it returns problems), `order`. Then `ready`, and
    `finished` or `failed` for each ended task. With --follow: `add`, `look_again`, and `stuck` at the end.
    """

    def __init__(self, tasks: Iterable[Submitted], exists: Callable[[str], bool]) -> None:
        self._exists = exists
        self._nodes: dict[int, Node] = {}
        self._makers: dict[str, Node] = {}
        self._made_below: dict[str, dict[int, Node]] = {}
        self._needs: dict[str, Need] = {}
        self._all_needs: list[Need] = []
        self._needs_below: dict[str, list[Need]] = {}
        self._own: dict[str, Node] = {}
        self._ready: list[tuple[int, Node]] = []
        self._problems: list[Malformed] = []
        self.left = 0
        """Tasks that have not ended."""
        entered = [node for node in (self._enter(record, self._problems) for record in tasks) if node]
        for node in entered:
            self._connect(node)

    # --- before the start -------------------------------------------------------------------------
    def done_before(
        self, why: Callable[[Task, str | None], str | None], keep_stale: bool = False,
    ) -> tuple[list[Task], dict[int, str]]:
        """Finished tasks of an earlier run that count as finished now, and the reason for each other task to run.

        `why(task, name)` returns None for a done task; `name` is an input that a preceding task will make: such a task
        is never done, unless `keep_stale`. Called once per task, makers first.
        """
        done, reasons = [], {}
        for node in plan_check.in_order(list(self._nodes.values()), {}):
            made = next((need.name for need in node.needs if need.producers), None)
            reason = why(node.task, made)
            if reason is None and (keep_stale or node.status is Status.READY):
                self._finish(node)
                done.append(node.task)
            else:
                reasons[node.task.id] = reason or ""
        return done, reasons

    def check(self, *, follow: bool = False) -> list[Malformed]:
        """Every problem, in the order of the file: nothing may start if there is any.

        With `follow` a missing input is no problem: a later line may make it.
        """
        found = [*self._problems, *plan_check.cycles(list(self._nodes.values())),
                 *plan_check.temporaries(self._all_needs)]
        if not follow:
            found += plan_check.missing(self._all_needs)
        return sorted(found, key=lambda problem: problem.line)

    def order(self) -> list[Task]:
        """All tasks that have not ended, in an order in which they could run one after the other, without those of a
        cycle.
        """
        return [node.task for node in plan_check.in_order(list(self._nodes.values()), {})]

    # --- during the run ---------------------------------------------------------------------------
    def ready(self) -> list[Task]:
        """The tasks that may start now, in the order of the file. Each is returned once."""
        found = []
        while self._ready:
            _, node = heapq.heappop(self._ready)
            if node.status is Status.READY:
                node.status = Status.TAKEN
                found.append(node.task)
        return found

    def finished(self, task_id: int) -> list[Task]:
        """Its outputs are published; returns the tasks that may start now, each once. KeyError: no such task."""
        self._finish(self._nodes[task_id])
        return self.ready()

    def failed(self, task_id: int, why: str = FAILED) -> list[Blocked]:
        """It failed for good; returns the tasks that can never run now. KeyError: no such task."""
        node = self._nodes[task_id]
        if node.status in (Status.FINISHED, *GONE):
            return []
        node.status = Status.FAILED
        self.left -= 1
        return self._block_after(node, why)

    def withdraw(self, task_id: int) -> tuple[bool, list[Blocked]]:
        """The task is cancelled: whether it was not submitted yet, and the tasks that can never run now. KeyError: no
        such task.
        """
        status = self._nodes[task_id].status
        if status not in (Status.WAITING, Status.READY):
            return False, []
        return True, self.failed(task_id, m.NOT_MADE_CANCELLED())

    def retry(self, task_id: int) -> list[Task]:
        """A task that has failed runs again, and counts as taken; returns the tasks that wait again, since they could
        not run without it. KeyError: no such task.
        """
        node, again = self._nodes[task_id], []
        node.status = Status.TAKEN
        self.left += 1
        reach = [node]
        while reach:
            for need in reach.pop().feeds:
                for consumer in need.consumers:
                    if consumer.status is Status.BLOCKED and not self._is_blocked(consumer):
                        consumer.status = Status.WAITING
                        self.left += 1
                        again.append(consumer.task)
                        reach.append(consumer)
        return again

    @staticmethod
    def _is_blocked(node: Node) -> bool:
        return any(maker.status in GONE for need in node.needs for maker in need.producers.values())

    def replaced(self, task_id: int) -> bool:
        """Whether a later task makes one of its outputs instead. KeyError: no such task."""
        node = self._nodes[task_id]
        return any(self._makers[name] is not node for name in node.task.outputs)

    def give_up(self) -> list[Task]:
        """Give up all tasks that were not submitted yet; returns them."""
        found = [node for node in self._nodes.values() if node.status in (Status.WAITING, Status.READY)]
        for node in found:
            node.status = Status.BLOCKED
            self.left -= 1
        return [node.task for node in found]

    def read(self) -> Container[str]:
        """The names of all inputs of tasks."""
        return self._needs

    def read_of(self, task: Task) -> tuple[str, ...]:
        """Its outputs that tasks name as inputs which have not ended."""
        needs = ((name, self._needs.get(name)) for name in task.outputs)
        return tuple(name for name, need in needs if need and any(map(pending, need.consumers)))

    def also_read(self, task: Task) -> tuple[str, ...]:
        """Its inputs that other tasks name which have not ended."""
        found = []
        for need in self._nodes[task.id].needs:
            later = itertools.islice(reversed(need.consumers), MOST_CONSUMERS + 1)
            if len(need.consumers) > MOST_CONSUMERS or any(c.task.id != task.id and pending(c) for c in later):
                found.append(need.name)
        return tuple(found)

    def unmet(self, task_id: int) -> list[tuple[str, tuple[int, ...]]]:
        """The inputs that a waiting task lacks, each with the tasks that make it; empty for any other task."""
        node = self._nodes.get(task_id)
        if node is None or node.status is not Status.WAITING:
            return []
        return [(need.name, tuple(sorted(need.producers))) for need in node.needs if not need.met]

    def waiting(self, most: int) -> list[int]:
        """The first tasks with unmet needs; looks at every task if there are fewer."""
        found = (number for number, node in self._nodes.items() if node.status is Status.WAITING)
        return list(itertools.islice(found, most))

    def keep(self, task: Task) -> None:
        """Hold this object of the task, in which more is known. KeyError: no such task."""
        self._nodes[task.id].task = task

    def status(self, task_id: int) -> Status:
        """KeyError: no such task."""
        return self._nodes[task_id].status

    # --- a file that grows ------------------------------------------------------------------------
    def add(self, record: Submitted) -> tuple[list[Malformed], list[Blocked]]:
        """A task that came later. Either it is added (call `ready`), or a problem or a failure keeps it out.

        A missing input is no problem here: the task waits for a later line or for `look_again`. An output whose first
        maker failed may be made by a later task.
        """
        problems: list[Malformed] = []
        node = self._enter(record, problems)
        if node is None:
            return problems, []
        self._connect(node)
        problems += [one for one in plan_check.temporaries(node.needs) if one.line == record.line]
        if problems:
            node.status = Status.FAILED
            self.left -= 1
            return problems, self._block_after(node, FAILED)
        chain = plan_check.chain_to_itself(node)
        if chain:
            problems.append(plan_check.cycle_problem(chain))
            node.status = Status.FAILED
            self.left -= 1
            return problems, self._block_after(node, m.CANNOT_MAKE_ITSELF())
        return problems, self._block_if_gone(node)

    def look_again(self) -> list[Task]:
        """Look for the missing inputs; returns the tasks that may start now."""
        for need in self._all_needs:
            if not need.exists and not need.producers and self._exists(need.name):
                need.exists = True
                self._met(need)
        return self.ready()

    def stuck(self) -> list[Malformed]:
        """At the end of the file: the tasks that wait for missing inputs that no task makes.

        One line each; the tasks that wait for those tasks are not included: `failed` returns them.
        """
        return plan_check.missing_each(self._all_needs)

    # --- adding tasks -----------------------------------------------------------------------------
    def _enter(self, record: Submitted, problems: list[Malformed]) -> Node | None:
        task = record.task
        wrong = self._wrong(task)
        if wrong:
            # An existing id belongs to the other task.
            task_id = None if task.id in self._nodes else task.id
            problems.extend(Malformed(record.line, printable(task.command), what, cure, task_id)
                            for what, cure in wrong)
            return None
        node = Node(task, record.line, len(self._nodes))
        self._nodes[task.id] = node
        self.left += 1
        for name in task.outputs:
            before = self._makers.get(name)
            self._makers[name] = node
            below = list(folders_above(name))
            for folder in below:
                self._made_below.setdefault(folder, {})[task.id] = node
            if self._needs:
                self._feed_later(node, name, below, before)
        return node

    def _wrong(self, task: Task) -> list[tuple[str, str]]:
        other = self._nodes.get(task.id)
        if other is not None:
            return [m.PLANNED_TWICE.parts(task=task.id, line=other.line)]
        found = []
        own = {folder for name in task.inputs for folder in (name, *folders_above(name))} - {"."}
        own.update({"."} & set(task.inputs))
        for name in task.outputs:
            maker = self._makers.get(name)
            if name in own:
                found.append(m.OWN_INPUT.parts(task=task.id, name=printable(name)))
            elif maker is not None and maker.status not in GONE:
                found.append(m.MADE_TWICE.parts(
                    task=task.id, name=printable(name), other=maker.task.id, line=maker.line))
        return found

    def _feed_later(self, node: Node, name: str, folders: list[str], before: Node | None) -> None:
        """Connect a maker that comes after the tasks that need its output."""
        needs = [self._needs[n] for n in (name, *folders) if n in self._needs] + self._needs_below.get(name, [])
        for need in needs:
            was_met = need.met
            if before is not None:  # it has failed, and all tasks that waited for it are blocked
                need.producers.pop(before.task.id, None)
            if node.task.id not in need.producers:
                need.producers[node.task.id] = node
                node.feed(need)
            if was_met:
                for consumer in need.consumers:
                    consumer.waits += 1
                    if consumer.status is Status.READY:
                        consumer.status = Status.WAITING

    def _connect(self, node: Node) -> None:
        node.needs = tuple(self._need(name, node) for name in node.task.inputs)
        for need in node.needs:
            need.consumers.append(node)
            if not need.met:
                node.waits += 1
        self._offer(node)

    def _need(self, name: str, consumer: Node) -> Need:
        inside = self._made_below.get(name, {})
        if consumer.task.id in inside and name not in self._own:
            # It fills a folder that it also reads: it waits for the others, not for itself. For a second such task of
            # that folder there is no order, which the shared need shows as a cycle.
            self._own[name] = consumer
            return self._make_need(name, consumer)
        if name not in self._needs:
            self._needs[name] = need = self._make_need(name)
            for folder in folders_above(name):
                self._needs_below.setdefault(folder, []).append(need)
        return self._needs[name]

    def _make_need(self, name: str, without: Node | None = None) -> Need:
        above = (self._makers.get(n) for n in (name, *folders_above(name)))
        makers = {maker.task.id: maker for maker in above if maker is not None}
        makers.update(self._made_below.get(name, {}))
        if without is not None:
            makers.pop(without.task.id, None)
        need = Need(name, bool(makers) or self._exists(name))
        for task_id, maker in makers.items():
            if maker.status is not Status.FINISHED and not self._replaced(maker):
                need.producers[task_id] = maker
                maker.feed(need)
        self._all_needs.append(need)
        return need

    def _replaced(self, maker: Node) -> bool:
        """Whether it failed and a later task makes all of its outputs instead."""
        return maker.status in GONE and all(self._makers[name] is not maker for name in maker.task.outputs)

    # --- progress ---------------------------------------------------------------------------------
    def _offer(self, node: Node) -> None:
        if node.waits == 0 and node.status is Status.WAITING:
            node.status = Status.READY
            heapq.heappush(self._ready, (node.index, node))

    def _finish(self, node: Node) -> None:
        if node.status is Status.FINISHED or node.status in GONE:
            return
        node.status = Status.FINISHED
        self.left -= 1
        for need in node.feeds:
            if need.producers.pop(node.task.id, None) is not None:
                need.exists = True
                if not need.producers:
                    self._met(need)

    def _met(self, need: Need) -> None:
        for consumer in need.consumers:
            consumer.waits -= 1
            self._offer(consumer)

    def _block_after(self, node: Node, why: str) -> list[Blocked]:
        found: list[Blocked] = []
        reach = [(node, why)]
        while reach:
            maker, reason = reach.pop()
            for need in maker.feeds:
                if maker.task.id not in need.producers:
                    continue
                for consumer in need.consumers:
                    if consumer.status not in (Status.WAITING, Status.READY):
                        continue
                    found.append(self._block(consumer, m.NEEDS_UNMADE(
                        name=printable(need.name), task=maker.task.id, why=reason)))
                    reach.append((consumer, m.CANNOT_MAKE_AFTER(task=node.task.id)))
        return found

    def _block(self, node: Node, reason: str) -> Blocked:
        node.status = Status.BLOCKED
        self.left -= 1
        return Blocked(node.task, node.line, reason)

    def _block_if_gone(self, node: Node) -> list[Blocked]:
        for need in node.needs:
            for maker in need.producers.values():
                if maker.status in GONE:
                    why = FAILED if maker.status is Status.FAILED else m.CANNOT_MAKE()
                    first = self._block(node, m.NEEDS_UNMADE(
                        name=printable(need.name), task=maker.task.id, why=why))
                    return [first, *self._block_after(node, m.CANNOT_MAKE())]
        return []

