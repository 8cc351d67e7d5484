"""Problems of a plan: missing inputs and cycles; and the order of its tasks. All times are linear in the edges, except
for a heap that keeps the file's order.
"""
from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.taskfiles.entries import Malformed
from mfmesos.taskfiles.plan_graph import Need, Node, Status, pending

CYCLES = 20
"""Maximum number of cycles to report."""
CHAIN = 6
"""Maximum number of tasks to name in a long cycle."""


def temporaries(needs: Iterable[Need]) -> list[Malformed]:
    """Inputs that hold, or lie in, a temporary output of another task."""
    found = []
    for need in needs:
        for maker in need.producers.values():
            for name in maker.task.temporary:
                inside = need.name == "." or name.startswith(need.name + "/") or need.name.startswith(name + "/")
                for reader in need.consumers if inside else ():
                    found.append(Malformed(reader.line, printable(reader.task.command), *m.TEMPORARY_IN_FOLDER.parts(
                        task=reader.task.id, name=printable(need.name), maker=maker.task.id,
                        temporary=printable(name))))
    return found


def missing(needs: Iterable[Need]) -> list[Malformed]:
    """Missing inputs that no task makes, each once."""
    found = []
    for need, waiting in unmade(needs):
        first = min(waiting, key=lambda node: node.index)
        found.append(missing_problem(first, need.name, len(waiting) - 1))
    return found


def missing_each(needs: Iterable[Need]) -> list[Malformed]:
    """The tasks that miss an input, each once, without those that wait for another one of them."""
    lacking: dict[int, tuple[Node, str]] = {}
    for need, waiting in unmade(needs):
        for node in waiting:
            lacking.setdefault(node.task.id, (node, need.name))
    after: set[int] = set()
    reach = [node for node, _ in lacking.values()]
    while reach:
        for need in reach.pop().feeds:
            for consumer in need.consumers:
                # An ended task waits for nothing any more.
                if pending(consumer) and consumer.task.id not in after:
                    after.add(consumer.task.id)
                    reach.append(consumer)
    roots = [way for task_id, way in lacking.items() if task_id not in after]
    return [missing_problem(node, name) for node, name in sorted(roots, key=lambda way: way[0].index)]


def unmade(needs: Iterable[Need]) -> Iterator[tuple[Need, list[Node]]]:
    for need in needs:
        waiting = [c for c in need.consumers if c.status in (Status.WAITING, Status.READY)]
        if waiting and not need.exists and not need.producers:
            yield need, waiting


def missing_problem(node: Node, name: str, others: int = 0) -> Malformed:
    task, shown = node.task.id, printable(name)
    problem, cure = (m.INPUT_NOT_MADE_FOR_MANY.parts(task=task, others=others, name=shown) if others
                     else m.INPUT_NOT_MADE.parts(task=task, name=shown))
    return Malformed(node.line, printable(node.task.command), problem, cure, task)


def cycles(nodes: Sequence[Node]) -> list[Malformed]:
    """One line per cycle, for the first CYCLES of them."""
    cut: dict[int, Node] = {}
    found: list[Malformed] = []
    while len(found) < CYCLES:
        done = {node.task.id for node in in_order(nodes, cut)}
        rest = [n for n in nodes if pending(n) and n.task.id not in done and n.task.id not in cut]
        if not rest:
            return found
        chain = walk(rest[0], {n.task.id for n in rest})
        cut.update((node.task.id, node) for node, _ in chain)
        found.append(cycle_problem(chain))
    return found


def walk(node: Node, among: set[int]) -> list[tuple[Node, str]]:
    """From task to maker until a task repeats; each with the name that it needs from the next one."""
    path: list[tuple[Node, str]] = []
    place: dict[int, int] = {}
    while node.task.id not in place:
        place[node.task.id] = len(path)
        ways = [(p, need.name) for need in node.needs for i, p in need.producers.items() if i in among]
        # Two tasks that read and fill one folder need themselves as well; the other task is the cause.
        maker, name = next((way for way in ways if way[0] is not node), ways[0])
        path.append((node, name))
        node = maker
    return path[place[node.task.id]:]


def in_order(nodes: Sequence[Node], cut: dict[int, Node]) -> list[Node]:
    """In the file's order as far as needs allow; tasks in `cut` count as done, missing inputs as existing."""
    open_needs: dict[int, int] = {}
    waits: dict[int, int] = {}
    heap: list[tuple[int, Node]] = []
    for node in nodes:
        if not pending(node):
            continue
        waits[node.task.id] = sum(1 for need in node.needs if still_open(need, cut, open_needs))
        if waits[node.task.id] == 0 and node.task.id not in cut:
            heap.append((node.index, node))
    heapq.heapify(heap)
    found = []
    while heap:
        _, node = heapq.heappop(heap)
        found.append(node)
        for need in node.feeds:
            if node.task.id not in need.producers:
                continue
            left = open_needs[id(need)] = still_open(need, cut, open_needs) - 1
            if left == 0:
                for consumer in need.consumers:
                    if pending(consumer):
                        waits[consumer.task.id] -= 1
                        if waits[consumer.task.id] == 0 and consumer.task.id not in cut:
                            heapq.heappush(heap, (consumer.index, consumer))
    return found


def still_open(need: Need, cut: dict[int, Node], known: dict[int, int]) -> int:
    """The number of its makers that have not run."""
    if id(need) not in known:
        known[id(need)] = sum(1 for i in need.producers if i not in cut)
    return known[id(need)]


def chain_to_itself(node: Node) -> list[tuple[Node, str]]:
    """The cycle that the new task has closed, if any."""
    if not node.feeds or not any(need.producers for need in node.needs):
        return []
    came: dict[int, tuple[Node, str]] = {}
    reach = [node]
    while reach:
        maker = reach.pop()
        for need in maker.feeds:
            if maker.task.id not in need.producers:
                continue
            for consumer in need.consumers:
                if pending(consumer) and consumer.task.id not in came:
                    came[consumer.task.id] = (maker, need.name)
                    reach.append(consumer)
    if node.task.id not in came:
        return []
    chain: list[tuple[Node, str]] = []
    at = node
    while not chain or at is not node:
        maker, name = came[at.task.id]
        chain.append((at, name))
        at = maker
    return chain


def cycle_problem(chain: list[tuple[Node, str]]) -> Malformed:
    """One line that names the chain, beginning with its first task in the file."""
    start = min(range(len(chain)), key=lambda i: chain[i][0].index)
    chain = chain[start:] + chain[:start]
    first = chain[0][0]
    steps = []
    for i, (_, name) in enumerate(chain[:CHAIN]):
        after = chain[(i + 1) % len(chain)][0]
        steps.append(m.CYCLE_STEP(name=printable(name, 60), task=after.task.id, line=after.line))
    more = m.CYCLE_MORE(others=len(chain) - CHAIN) if len(chain) > CHAIN else ""
    problem, cure = m.CYCLE.parts(task=first.task.id, steps=", which ".join(steps), more=more)
    return Malformed(first.line, printable(first.task.command), problem, cure, first.task.id)
