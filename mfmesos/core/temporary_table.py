"""Temporary outputs: who makes each, who waits for it, and where its copies are."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mfmesos.core.deadlines import Deadlines
from mfmesos.core.model import StagedInput
from mfmesos.core.records import TaskRecord


@dataclass
class Temporary:
    """One temporary output of a task that has finished."""

    name: str
    maker: int
    """A task's id."""
    file: StagedInput | None = None
    """None before it is made again."""
    holders: dict[str, str] = field(default_factory=dict)
    """Claims that have it, with the attempt that made it there."""
    here: bool = False
    """Whether the scheduler has a copy."""
    needed: bool = True
    """Whether some of its readers have not ended."""
    again_for: set[int] = field(default_factory=set)
    """Readers that had ended, and run again."""
    asked_of: str = ""
    """The claim that was asked to send it."""
    crowded: bool = False
    """Whether its claim has no room for it: it moves to the scheduler."""
    hopeless: str = ""
    """Why it cannot be made again."""

    @property
    def wanted(self) -> bool:
        return self.needed or bool(self.again_for)

    @property
    def digest(self) -> str:
        return self.file.digest if self.file is not None else ""


@dataclass
class Amount:
    """Of temporary outputs, since the scheduler started."""

    files: int = 0
    bytes: int = 0

    def add(self, one: Temporary) -> None:
        self.files += 1
        self.bytes += one.file.size if one.file is not None else 0


class Temporaries:
    """All of them by name. Only temporaries.py and remaking.py change them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Temporary] = {}
        self.makers: dict[int, TaskRecord] = {}
        """Tasks that have finished, and may have to run again."""
        self.due: dict[int, TaskRecord] = {}
        """Waiting readers whose temporary inputs have changed."""
        self.patience: Deadlines = Deadlines()
        """By task id: when it has waited long enough for the claims that have its inputs."""
        self.surplus: dict[int, TaskRecord] = {}
        """Makers that run again, and need not any more."""
        self.kept = Amount()
        """Made, and not for the second time."""
        self.brought = Amount()
        """Those of them, and of others, that came to the scheduler."""
        self.remade = 0
        """Tasks that ran again for them."""
        self._waiting: defaultdict[str, dict[int, TaskRecord]] = defaultdict(dict)
        self._held: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._read_by: defaultdict[str, set[int]] = defaultdict(set)

    # --- readers ---
    def wait(self, record: TaskRecord) -> None:
        """The reader waits."""
        for name in record.temporaries:
            self._waiting[name][record.task.id] = record
        self.due[record.task.id] = record

    def started(self, record: TaskRecord) -> None:
        """It waits no longer."""
        self.due.pop(record.task.id, None)
        for name in record.temporaries:
            self._waiting[name].pop(record.task.id, None)
            if not self._waiting[name]:
                del self._waiting[name]

    def changed(self, name: str) -> None:
        """Something about it has changed that concerns its readers."""
        self.due.update(self._waiting.get(name, {}))

    def waiting_for(self, name: str) -> TaskRecord | None:
        """A reader that waits."""
        return next(iter(self._waiting.get(name, {}).values()), None)

    # --- makers ---
    def of(self, maker: TaskRecord) -> list[Temporary]:
        """The temporary outputs of a task that has finished."""
        found = (self.by_name.get(name) for name in maker.task.temporary)
        return [one for one in found if one is not None and one.maker == maker.task.id]

    def retain(self, maker: TaskRecord) -> None:
        """The task may have to run again, and then needs its own temporary inputs."""
        self.makers[maker.task.id] = maker
        for name in maker.temporaries:
            self._read_by[name].add(maker.task.id)

    def forgettable(self, maker: TaskRecord) -> bool:
        """Whether it need never run again."""
        return not any(one.wanted or self._read_by.get(one.name) for one in self.of(maker))

    def forget(self, maker: TaskRecord) -> list[TaskRecord]:
        """It need never run again; returns the makers of its own temporary inputs, which perhaps need not, either."""
        self.makers.pop(maker.task.id, None)
        for one in self.of(maker):
            del self.by_name[one.name]
        makers: dict[int, TaskRecord] = {}
        for name in maker.temporaries:
            self._read_by[name].discard(maker.task.id)
            if not self._read_by[name]:
                del self._read_by[name]
            read = self.by_name.get(name)
            if read is not None and read.maker in self.makers:
                makers[read.maker] = self.makers[read.maker]
        return list(makers.values())

    # --- copies ---
    def hold(self, one: Temporary, claim_id: str, attempt_id: str) -> None:
        one.holders[claim_id] = attempt_id
        self._held[claim_id][one.name] = None

    def let_go(self, one: Temporary, claim_id: str) -> None:
        """The claim has it no more."""
        one.holders.pop(claim_id, None)
        if one.asked_of == claim_id:
            one.asked_of = ""
        self._held[claim_id].pop(one.name, None)
        if not self._held[claim_id]:
            del self._held[claim_id]

    def held_by(self, claim_id: str) -> list[Temporary]:
        return [self.by_name[name] for name in self._held.get(claim_id, ())]

    def with_digest(self, digest: str, among: Iterable[Temporary] | None = None) -> list[Temporary]:
        """Costs as much as there are, unless `among` is given."""
        return [one for one in (self.by_name.values() if among is None else among) if one.digest == digest]
