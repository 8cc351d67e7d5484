"""Gives GPUs to attempts, keeps everybody else off, and finds out who is on them nevertheless.

An attempt has its GPUs from just before its command starts until its processes are gone. Then a look must find each
GPU empty before anybody gets it again. Where no nvidia-smi works there are no looks: locks and variables are all.
"""
from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from typing import Callable, Mapping, Sequence

from mfmesos.shared import procfs
from mfmesos.shared.devices import BUSY, FAULTY, FREE, GPUS, QUARANTINED, Device, variables
from mfmesos.shared.messages import executor as m
from mfmesos_executor.device_locks import Locks
from mfmesos_executor.environ import DEFAULT_PATH, MARKER, gpu_variables
from mfmesos_executor.gpu_view import Known, judge, known_from, owners
from mfmesos_executor.gpus import NONE, Busy, Holder, NoGpus
from mfmesos_executor.isolation import own_gpus
from mfmesos_executor.limits import Exceeded
from mfmesos_executor.nvidia_smi import Look, NvidiaSmi, User
from mfmesos_executor.reap import Reaper

logger = logging.getLogger(__name__)
LOOK_S = 2.0
"""Between two looks while any attempt runs or any GPU is not free; a stranger is named within 5 s."""
STALE_S = 10.0
"""Before an attempt starts, the last look must not be older than this."""
PATIENCE_S, LOCKED_S = 30.0, 1.0
"""An attempt waits for this long until its GPUs are found empty; and until others have unlocked them."""
MOST_NUMBERS = 64


class _Use:
    def __init__(self, attempt: Holder, ids: list[str]) -> None:
        self.attempt, self.ids = attempt, ids
        self.now_mb = self.peak_mb = 0.0


class Gpus(NoGpus):
    """Thread-safe. `look`: of nvidia-smi, or None; `own`: where the agent isolates GPUs, the numbers of the claim's;
    `changed`: called when `report` would say something new.
    """

    def __init__(self, look: Callable[[], Look | None], locks: Locks, name_of: Callable[[int], str],
                 changed: Callable[[], None] = lambda: None, own: Sequence[str] = (),
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._locks, self._name_of, self._report_change = look, locks, name_of, changed
        self._own = list(own)
        self._clock = clock
        self._changed = threading.Condition()
        self._known: dict[str, Known] = {}
        self._uses: dict[str, _Use] = {}
        self._has_tool = False
        self._looked_at = -math.inf
        self._wanted_at = -math.inf
        """A look that began before is too old."""

    # --- for the claim ---
    def begin(self) -> None:
        """The first look, before anything is given; then looks whenever there is something to find out."""
        found = self._look()
        if found is not None:
            self._has_tool = True
            used = {user.gpu for user in found.users}
            self._known = {gpu.id: known_from(gpu, gpu.id in used) for gpu in found.gpus}
            self._take_in(found, self._clock(), {})
            threading.Thread(target=self._work, name="gpus", daemon=True).start()
        else:
            self._known = {number: Known(number) for number in self._own}

    def report(self) -> list[Device]:
        """All that the agent has, or the claim where it has its own, for a sync; empty while that is unknown."""
        with self._changed:
            return [known.device(bool(self._own)) for known in self._known.values()] if self._is_complete() else []

    # --- for attempts ---
    def enter(self, attempt: Holder) -> Mapping[str, str]:
        """The variables that show the attempt its GPUs, which it has until `leave`. May wait for some seconds. Raises
        Busy.
        """
        run = attempt.run
        asked = run.given.get(GPUS, [])
        number = len(asked) or math.ceil(run.gpus)
        until = self._clock() + PATIENCE_S
        with self._changed:
            if number and self._has_tool and self._clock() - self._looked_at > STALE_S:
                self._wanted_at = self._clock()
                self._changed.notify_all()
            while number and self._is_checking() and self._clock() < until:
                self._changed.wait(0.2)
            ids = self._take_soon(asked, number, run.attempt)
            self._uses[run.attempt] = _Use(attempt, ids)
            self._changed.notify_all()
        return {**gpu_variables(self._shown(ids)), **variables({GPUS: ids})} if ids else NONE

    def leave(self, attempt: Holder) -> float:
        """Its processes are gone, or it did not start; returns the most memory that it had on its GPUs, in MB, 0 if
        unknown. May be called more than once.
        """
        with self._changed:
            use = self._uses.pop(attempt.run.attempt, None)
            if use is None:
                return 0.0
            for id in use.ids:
                known = self._known[id]
                known.user = ""
                if self._has_tool:
                    known.left_at = self._clock()
                else:
                    self._locks.release(id)
            self._changed.notify_all()
            return use.peak_mb

    def _shown(self, ids: list[str]) -> list[str]:
        """As libraries name them: the kernel shows a claim its own only, from number 0 on."""
        return ids if self._has_tool or not self._own else [str(self._own.index(id)) for id in ids]

    # --- giving; the condition is held ---
    def _is_complete(self) -> bool:
        """Whether all are known that attempts may be given."""
        return self._has_tool or bool(self._own)

    def _is_checking(self) -> bool:
        """Whether the next look may set some free."""
        return self._wanted_at > self._looked_at or any(
            k.left_at is not None and k.left_at > self._looked_at for k in self._known.values())

    def _take_soon(self, asked: list[str], number: int, attempt: str) -> list[str]:
        """As `_take`; an attempt that is sent away at once would be back at once."""
        until = self._clock() + LOCKED_S
        while True:
            try:
                return self._take(asked, number, attempt)
            except Busy:
                if self._clock() > until:
                    self._report_change()
                    raise
            self._changed.wait(0.05)

    def _take(self, asked: list[str], number: int, attempt: str) -> list[str]:
        """Those GPUs, or that number of free ones if none are named: all or none. Raises Busy."""
        taken: list[str] = []
        missed: dict[str, str] = {}
        for id in map(self._resolved, asked) if asked else self._candidates():
            if len(taken) == number or (missed and asked):
                break
            if self._is_complete() and id not in self._known:
                missed[id] = m.GPU_MISSING(gpu=id)
                continue
            why = self._obstacle(self._known.setdefault(id, Known(id)))
            if why:
                missed[id] = why
            else:
                self._known[id].user = attempt
                taken.append(id)
        if len(taken) == number:
            return taken
        for id in taken:
            self._known[id].user = ""
            self._locks.release(id)
        raise Busy(list(missed), next(iter(missed.values()), m.TOO_FEW_GPUS(wanted=number)))

    def _candidates(self) -> list[str]:
        return list(self._known) if self._is_complete() else list(map(str, range(MOST_NUMBERS)))

    def _resolved(self, id: str) -> str:
        """The UUID of a number, where it is known."""
        return next((k.id for k in self._known.values() if k.index == id), id)

    def _obstacle(self, known: Known) -> str:
        """Locks the GPU; why it is not to be had, or empty."""
        if known.user or known.left_at is not None:
            return known.reason or m.GPU_LOCKED(gpu=known.id)
        if known.locked_out or known.state == FREE:
            known.locked_out = not self._locks.take(known.id)
            known.state, known.reason = (BUSY, m.GPU_LOCKED(gpu=known.id)) if known.locked_out else (FREE, "")
        return known.reason

    # --- looking, on a thread of its own ---
    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._is_active():
                    self._changed.wait()
                self._changed.wait_for(self._is_checking, LOOK_S)
            try:
                self.look_again()
            except Exception:
                logger.exception("a look at the GPUs failed")
                time.sleep(LOOK_S)

    def _is_active(self) -> bool:
        return bool(self._uses) or self._is_checking() or any(k.state != FREE for k in self._known.values())

    def look_again(self) -> None:
        """One look, and what follows from it."""
        began = self._clock()
        found = self._look()
        with self._changed:
            attempts = {name: use.attempt.processes for name, use in self._uses.items()}
        pids = {user.pid for user in found.users} if found is not None else set()
        self._take_in(found, began, owners(attempts, pids))

    def _take_in(self, found: Look | None, began: float, owner: Mapping[int, str]) -> None:
        """`owner`: the attempts of processes, as far as they are of this claim."""
        with self._changed:
            before = self.report()
            if found is not None:
                for known in self._known.values():
                    if known.left_at is None or known.left_at <= began:  # otherwise it may show what is gone
                        self._judge(known, found, owner)
            else:
                for known in self._known.values():
                    if known.left_at is not None:
                        known.state, known.reason = QUARANTINED, m.GPU_UNSEEN(gpu=known.id)
            self._looked_at = began
            self._release(began)
            strays = self._strays(found.users if found is not None else [], owner)
            self._changed.notify_all()
        if self.report() != before:
            self._report_change()
        for attempt, reason in strays:
            attempt.exhaust(Exceeded(GPUS, reason))

    def _judge(self, known: Known, found: Look, owner: Mapping[int, str]) -> None:
        gpu = next((gpu for gpu in found.gpus if gpu.id == known.id), None)
        users = [user for user in found.users if user.gpu == known.id]
        reason = known.reason
        judge(known, gpu, [user for user in users if user.pid not in owner],
              [user for user in users if owner.get(user.pid) != known.user], self._name_of, self._locks.is_free)
        if known.reason and known.reason != reason:
            logger.warning("%s", known.reason)
        use = self._uses.get(known.user)
        if use is not None:
            use.now_mb += sum(user.used_mb for user in users if owner.get(user.pid) == known.user)

    def _release(self, began: float) -> None:
        for known in self._known.values():
            if known.left_at is not None and known.left_at <= began and known.state in (FREE, FAULTY):
                known.left_at = None
                self._locks.release(known.id)
        for use in self._uses.values():
            use.peak_mb, use.now_mb = max(use.peak_mb, use.now_mb), 0.0

    def _strays(self, users: list[User], owner: Mapping[int, str]) -> list[tuple[Holder, str]]:
        """Attempts of this claim with a process on a GPU that they were not given."""
        found = []
        for user in users:
            use = self._uses.get(owner.get(user.pid, ""))
            if use is not None and user.gpu not in use.ids:
                found.append((use.attempt, m.GPU_NOT_GIVEN(gpu=user.gpu, pid=user.pid, name=self._name_of(user.pid))))
        return found


def keeper_of(environ: Mapping[str, str], reaper: Reaper, changed: Callable[[], None]) -> Gpus:
    """Of a claim, on this agent."""
    path = shutil.which("nvidia-smi", path=environ.get("PATH") or DEFAULT_PATH)
    look = NvidiaSmi(path, reaper.output_of).look if path else lambda: None
    return Gpus(look, Locks(environ.get("MESOS_SLAVE_ID", "")), described, changed, own_gpus())


def described(pid: int) -> str:
    """A process in brackets, with the attempt of mfmesos that it is of, after a blank; empty if it is hidden."""
    attempt = procfs.variable(pid, MARKER)
    words = [procfs.name_of(pid), m.OF_ATTEMPT(attempt=attempt) if attempt else ""]
    found = ", ".join(filter(None, words))
    return f" ({found})" if found else ""
