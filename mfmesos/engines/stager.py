"""Makes a stated task ready for submission: looks at and hashes its inputs, off the loop."""
from __future__ import annotations

import contextlib
import functools
import os
import stat
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Callable

from mfmesos.core.events import Event, TaskRefused, TaskSubmitted, TaskWithdrawn
from mfmesos.core.model import StagedInput, Task
from mfmesos.shared import descriptors
from mfmesos.shared.messages import engines as m
from mfmesos.shared.plainerrors import plain
from mfmesos.staging.input_errors import InputError
from mfmesos.staging.inputs import InputIndex, unpinned

INLINE_BYTES = 4 << 20
"""Inputs of up to this total size are hashed at once; larger inputs, and folders, by a pool of threads. That pool never
waits for web servers.
"""

AGAIN_S = 0.5
MOST_STAGED = 20_000
TOGETHER = 100
"""Maximum number of tasks per post: the first of many thousands need not wait until all are looked at."""


class Stager:
    """Turns each task into TaskSubmitted or TaskRefused. `submit` may be called from any thread."""

    def __init__(self, workdir: Path, index: InputIndex, post: Callable[..., None], threads: int = 4) -> None:
        self._workdir = workdir
        self._index = index
        self._post = post
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="stager")
        self._lock = threading.Lock()
        self._looking: dict[int, Task] = {}
        """Tasks whose inputs a thread checks, or will check."""
        self._staged: dict[str, StagedInput] = {}
        """By name, as last seen: tasks that share an input share its record."""

    def submit(self, task: Task) -> None:
        self.submit_all((task,))

    def submit_all(self, tasks: Iterable[Task]) -> None:
        """Post tasks with small inputs together, since each call wakes the scheduler."""
        quick: list[Event] = []
        try:
            for task in tasks:
                if not self._is_quick(task):
                    with self._lock:
                        self._looking[task.id] = task
                    later = functools.partial(self._look_soon, task)
                    if not self._index.ask_first(task, later):
                        later()
                    continue
                quick.append(self.look(task))
                if len(quick) >= TOGETHER:
                    ready, quick = quick, []
                    self._post(*ready)
        finally:
            if quick:
                self._post(*quick)

    def _look_soon(self, task: Task) -> None:
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self._pool.submit(self._look_later, task)

    def _look_later(self, task: Task) -> None:
        with self._lock:
            if task.id not in self._looking:
                return
        event = self.look(task)
        with self._lock:
            if self._looking.pop(task.id, None) is None:
                return
        self._post(event)

    def withdraw(self, task_id: int) -> None:
        """The core cancels the task at once, without waiting for the check of its inputs."""
        with self._lock:
            task = self._looking.pop(task_id, None)
        self._post(TaskWithdrawn(task_id), *([TaskSubmitted(task)] if task is not None else []))

    def look(self, task: Task) -> Event:
        """Blocking: stat and hash the inputs; waits while no file descriptor is free."""
        while True:
            try:
                return self._look(task)
            except OSError as e:
                if e.errno not in descriptors.SHORT or self._closed.wait(AGAIN_S):
                    return TaskRefused(task, m.INPUT_NOT_READ(why=plain(e)))

    def _look(self, task: Task) -> Event:
        try:
            problem = self._index.outputs_problem(task)
            if problem:
                return TaskRefused(task, problem)
            used = self._index.in_place.used_by(task)
            return TaskSubmitted(replace(task, shared=used) if used else task, self._shared(self._index.stage(task)),
                                 self._index.temporaries_of(task))
        except InputError as e:
            return TaskRefused(task, str(e))

    def _shared(self, inputs: tuple[StagedInput, ...]) -> tuple[StagedInput, ...]:
        if len(self._staged) > MOST_STAGED:
            self._staged.clear()
        found = []
        for item in inputs:
            known = self._staged.setdefault(item.name, item)
            if known is not item and vars(known) != vars(item):  # also in what is not compared, as its time
                known = self._staged[item.name] = item
            found.append(known)
        return tuple(found)

    def close(self) -> None:
        self._closed.set()
        self._index.remotes.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_quick(self, task: Task) -> bool:
        if any(not self._index.remotes.is_known(url) for url in unpinned(task)):
            return False
        total = 0
        for name in task.inputs:
            try:
                found = os.stat(self._workdir / name)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode):
                return False
            total += found.st_size
        return total <= INLINE_BYTES
