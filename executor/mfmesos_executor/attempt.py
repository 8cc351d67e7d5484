"""One attempt: stage in its inputs, run the command, kill leftover processes, send the outputs, remove everything."""
from __future__ import annotations

import base64
import contextlib
import errno
import logging
import os
import signal
import threading
from typing import Callable

from mfmesos.shared import wire
from mfmesos.shared.batches import FILE_BYTES
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import BROKEN, EXHAUSTED, FAILED, FINISHED, KILLED, Result, Run
from mfmesos_executor import delivering, failed_sandbox, keeping, outputs, shared_folders, verdict
from mfmesos_executor.client import Cancelled, Refused
from mfmesos_executor.environ import given, task_environment
from mfmesos_executor.files import Listing, remove_tree, tail
from mfmesos_executor.gathering import Placing, place_inputs
from mfmesos_executor.limits import Exceeded, hard_limit
from mfmesos_executor.monitor import MB, Watched
from mfmesos_executor.reap import Leader
from mfmesos_executor.sandbox import BadName, Sandbox
from mfmesos_executor.tools import Tools

logger = logging.getLogger(__name__)
SHORT_S = 0.5
"""What an attempt makes in this time is looked at and removed quickly."""


class Attempt:
    """`start` it; `on_end` is called once, on any thread, with the result, and perhaps `on_idle` before, when it needs
    nothing but its disk; `kill` and `exhaust` may be called at any time.
    """

    def __init__(self, run: Run, tools: Tools, on_end: Callable[[Result], None],
                 on_idle: Callable[[], None] = lambda: None) -> None:
        self.run = run
        self._root = ""
        self._tools = tools
        self._on_end, self._on_idle = on_end, on_idle
        self._lock = threading.Lock()
        self.sandbox: Sandbox | None = None
        self._leader: Leader | None = None
        self._watched: Watched | None = None
        self._killed = False
        self._exhausted: Exceeded | None = None
        self._ended = False
        self._grace_until = 0.0
        self._status: int | None = None
        self._inputs: Placing | None = None
        self._input = ""
        """Its next input, for which it waits."""
        self._large: bool | None = None
        self._step: Callable[[], None] | None = None
        """What it does in its turn, and whether that is large; see Lanes. None: nothing, on the claim's own thread."""
        self._outgoing: outputs.Outgoing | None = None
        self._changed_input = ""
        self._left: Listing | None = None  # what its processes left in its sandbox
        self._haunted = False
        """Whether processes of it could not be killed: its sandbox must not be used again."""

    def start(self) -> None:
        """On the claim's own thread. Where nothing is to be waited for, all of it happens there: a short task feels
        each change of threads (docs/performance.md, Executor).
        """
        if not self.run.shared and self._tools.claim.gpus <= 0:
            self._prepare()
            return
        try:
            self._take_turn(self._prepare, large=False)
        except OSError as e:
            self._end(self._result(BROKEN, m.NOT_STARTED(why=verdict.agents_reason(e))))

    # --- for other threads ---

    def kill(self, grace_s: float) -> None:
        """SIGTERM to its processes, SIGKILL after `grace_s`; it ends as killed."""
        with self._lock:
            self._killed = True
        self._ask_to_end(grace_s)
        step = self._step
        if step is not None and self._tools.lanes.withdraw(step, bool(self._large)):
            try:
                self._tools.pool.submit(step)  # which ends it at once
            except OSError:
                step()

    def exhaust(self, exceeded: Exceeded) -> None:
        """It exceeds a limit: for wall time it gets the grace period of a kill, for memory and disk none."""
        with self._lock:
            if self._killed or self._exhausted or self._status is not None:
                return
            self._exhausted = exceeded
        self._ask_to_end(self._tools.claim.kill_grace_s if exceeded.resource == "wall" else 0.0)

    def processes(self) -> set[int]:
        """All its processes now; empty before its command runs and after its end."""
        leader, reaper = self._leader, self._tools.reaper
        return set() if leader is None else reaper.processes(reaper.table(), leader)

    def input_changed(self, name: str) -> None:
        """It wrote to an input that it shares, or another attempt did: it must run again, with copies."""
        with self._lock:
            first = not self._changed_input
            self._changed_input = self._changed_input or name
        if first:
            self._ask_to_end(0.0)

    def _ask_to_end(self, grace_s: float) -> None:
        with self._lock:
            leader, watched = self._leader, self._watched
            until = self._tools.clock() + grace_s
            again = watched is not None and watched.kill_at is not None
            if again and watched is not None and watched.kill_at is not None:
                until = min(until, watched.kill_at)
            self._grace_until = until
            if watched is not None:
                watched.kill_at = until
        if leader is None or self._status is not None:
            return
        if grace_s <= 0:
            self._tools.reaper.kill(leader)
        elif not again:
            self._tools.reaper.signal_group(leader, signal.SIGTERM)
        self._tools.monitor.hurry()

    def _is_cancelled(self) -> bool:
        return self._killed

    def worked_s(self) -> float:
        """Seconds that its command has run."""
        leader, watched = self._leader, self._watched
        if leader is None or watched is None:
            return 0.0
        until = self._tools.clock() if self._status is None else leader.ended_at
        return max(until - watched.started, 0.0)

    def _take_turn(self, step: Callable[[], None], large: bool) -> None:
        self._step, self._large = step, large
        self._tools.lanes.submit(step, large)

    # --- start ---
    def _prepare(self) -> None:
        try:
            result = self._try_to_start()
        except Exception as e:
            result = self._fault(e)
        if result is not None:
            self._end(result)

    def _try_to_start(self) -> Result | None:
        """None if the command runs, or waits until it is its turn to fetch the next input."""
        name, tools = "", self._tools
        try:
            self._raise_if_cancelled()
            if self.sandbox is None or self._inputs is None:
                self._root = tools.skeletons.take()
                self.sandbox = Sandbox(self._root, self.run, tools.seen(self._root))
                self.sandbox.make()
                shared_folders.use(self.run, self.sandbox, self._is_cancelled)
                self._inputs = place_inputs(self.sandbox, tools.cache, tools.fetch_many, self._is_cancelled,
                                            None if self.run.copies else self)
            name = self._input
            for name, large in self._inputs:
                self._raise_if_cancelled()
                if large is not None and (large != self._large or tools.lanes.crowded(large)):
                    self._input = name
                    self._take_turn(self._prepare, large)
                    return None
            name = ""
            self._spawn(self.sandbox)
        except Exception as e:
            if name:
                tools.temporaries.not_fetched(self.sandbox, name, e)
            return verdict.not_started(self.run.attempt, name, e, self._trouble)
        return None

    def _fault(self, e: Exception) -> Result:
        """An error of the executor. Whatever it is, the attempt ends: otherwise the scheduler would wait for ever."""
        logger.exception("attempt=%s", self.run.attempt)
        return self._result(BROKEN, m.EXECUTOR_BUG(kind=type(e).__name__, why=e))

    def _trouble(self) -> str:
        """The problem with the executor's folders on the agent; empty if none. Without its folder the executor ends."""
        trouble = verdict.trouble_of((*self._tools.folders, *([self._root] if self._root else [])))
        if trouble == verdict.VANISHED:
            self._tools.vanished()
        return trouble

    def _raise_if_cancelled(self) -> None:
        if self._killed:
            raise Cancelled

    def _spawn(self, sandbox: Sandbox) -> None:
        tools = self._tools
        own = {**given(self.run), **self.run.env, **tools.gpus.enter(self)}
        env = task_environment(tools.environment, own, self.run.attempt, sandbox.home, sandbox.temporary)
        with self._lock:
            self._raise_if_cancelled()
            try:
                self._leader = tools.reaper.spawn(
                    self.run.attempt, sandbox.command(), sandbox.work, env, sandbox.stdout, sandbox.stderr,
                    f"{self._root}/command", lambda: tools.here(self._over))
            except ValueError as e:
                raise BadName(m.COMMAND_INVALID(why=e)) from None
            except OSError as e:
                if e.errno == errno.E2BIG:
                    raise BadName(verdict.too_large(env)) from None
                raise
            self._watched = Watched(self, self._leader, tools.clock(), self._root, tools.cache.linked(self))
            tools.monitor.watch(self._watched)

    # --- end ---
    def _over(self) -> None:
        """Its command has ended. On the claim's own thread the end of a short attempt of which no process is left, and
        no inputs are to be compared; elsewhere what may take long.
        """
        with self._lock:
            leader, watched, tools = self._leader, self._watched, self._tools
        assert leader is not None
        assert watched is not None
        if leader.ended_at - watched.started < SHORT_S and not tools.cache.linked(self) and tools.claim.gpus <= 0 and (
                tools.reaper.is_clear(leader)):
            self._finish(clear=True)
            return
        try:
            tools.pool.submit(self._finish)
        except OSError:
            self._finish()

    def _finish(self, clear: bool = False) -> None:
        """`clear`: none of its processes is left."""
        with self._lock:  # its start has completed
            leader, watched, sandbox, tools = self._leader, self._watched, self.sandbox, self._tools
        assert leader is not None
        assert watched is not None
        assert sandbox is not None
        self._status = leader.status
        try:
            self._haunted = not (clear or tools.reaper.clear(leader, self._grace_until))
            tools.reaper.forget(leader)
            watched.over, watched.memory, watched.gpu_memory_mb = True, 0, tools.gpus.leave(self)
            self._let_go()
            self._left = watched.scan_disk()
            usage = watched.usage()
            result = self._judge(sandbox, leader.status or 0)
            result.usage = usage
            if self._outgoing is not None:
                self._left = None  # what is sent may be moved
                if not self._haunted:
                    self._on_idle()
                self._take_turn(lambda: self._send(result), self._outgoing.length > FILE_BYTES)
                return
        except OSError as e:
            result = self._result(
                BROKEN, self._trouble() or m.OUTPUTS_UNREADABLE(why=verdict.agents_reason(e)))
        except Exception as e:
            result = self._fault(e)
        self._end(result)

    def _let_go(self) -> None:
        """Its processes are gone, so what it has read and written stays as it is."""
        changed = self._tools.cache.let_go(self)
        with self._lock:
            self._changed_input = self._changed_input or changed

    def _judge(self, sandbox: Sandbox, status: int) -> Result:
        code, number = verdict.split_status(status)
        result = self._result(FINISHED, "")
        result.exit_code, result.signal = code, number
        result.stdout, result.stderr = tail(sandbox.stdout), tail(sandbox.stderr)
        limit = hard_limit(self.run.limit_disk_mb, self.run.most_disk_mb)
        if self._killed:
            result.outcome, result.reason = KILLED, m.KILLED_ON_REQUEST()
        elif self._changed_input:
            self._judge_change(result, self._changed_input)
        elif self._exhausted is not None:
            self._exhausted.judge(result)
        elif code != 0:
            self._judge_failure(result, verdict.failure(code, number))
        elif limit is not None and self._watched is not None and self._watched.disk > limit * MB:
            result.outcome, result.resource = EXHAUSTED, "disk"
            result.reason = m.OVER_DISK_LIMIT(used=f"{self._watched.disk / MB:.0f} MB", limit=f"{limit:.0f} MB")
        elif sandbox.outputs and self._disk_was_full(result):
            # Not every command notices that it could not write everything: its exit code is no proof.
            self._judge_full_disk(result, m.OUTPUTS_INCOMPLETE())
        else:
            self._deliver(sandbox, result)
        if result.outcome == FAILED and self.run.keep_partial:
            self._deliver_partial(sandbox, result)
        if self._outgoing is None and failed_sandbox.is_wanted(self.run, result):
            self._outgoing = outputs.Outgoing([], int(self.run.keep_failed_mb * MB), "")
        return result

    @staticmethod
    def _judge_change(result: Result, name: str) -> None:
        result.outcome, result.wrote_input, result.reason = BROKEN, name, m.INPUT_CHANGED(name=name)

    def _judge_failure(self, result: Result, reason: str) -> None:
        program = verdict.busy_program(self.run, result.stderr)
        if program:
            # Linux lets nobody write to a program that runs. With a copy nobody else would run it.
            self._judge_change(result, program)
            return
        result.outcome, result.reason = FAILED, verdict.with_last_line(reason, result.stderr, result.stdout)
        trouble = self._trouble()
        if trouble:
            result.outcome, result.reason = BROKEN, f"{trouble} ({result.reason})"
            return
        if self._disk_was_full(result):
            self._judge_full_disk(result, reason)

    def _disk_was_full(self, result: Result) -> bool:
        return verdict.disk_was_full(self._tools.folders[0] if self._tools.folders else self._root, result.stderr)

    def _judge_full_disk(self, result: Result, reason: str) -> None:
        """The agent is at fault, unless the attempt itself used more than its allocation."""
        used = self._watched.disk / MB if self._watched is not None else 0.0
        if used > self.run.disk_mb > 0:
            result.outcome, result.resource = EXHAUSTED, "disk"
            reason = m.DISK_USED_WHEN_FULL(used=used, given=self.run.disk_mb)
        else:
            result.outcome, reason = BROKEN, m.AGENTS_DISK_FULL_SINCE(why=reason)
        result.reason = verdict.with_last_line(reason, result.stderr)

    def _deliver(self, sandbox: Sandbox, result: Result) -> None:
        gone = outputs.missing(sandbox)
        if gone:
            result.missing_outputs = gone
            instead = verdict.made_instead(sandbox.outputs, lambda name: os.path.exists(sandbox.path(name)))
            self._judge_failure(result, verdict.missing_outputs(gone, instead))
            return
        try:
            self._pack(result, outputs.collect(sandbox), "digests=1" if self.run.keep else "")
        except (outputs.BadOutput, OSError) as e:
            self._undelivered(result, e)

    def _deliver_partial(self, sandbox: Sandbox, result: Result) -> None:
        """Deliver the existing outputs of a failed command for the user to look at; the result is valid without
        them.
        """
        with contextlib.suppress(OSError):
            self._pack(result, outputs.collect_present(sandbox), "partial=1")

    def _pack(self, result: Result, members: list[outputs.Member], query: str) -> None:
        """Small outputs travel in the result, larger ones are sent before it."""
        stream = outputs.inline(members, wire.INLINE_OUTPUTS_BYTES)
        if stream is None:
            self._outgoing = outputs.Outgoing(members, outputs.length(members), query)
            return
        if self.run.temporary:
            self._outgoing = outputs.Outgoing([], 0, "")
        if members:
            result.tar = base64.b64encode(stream).decode("ascii")

    def _send(self, result: Result) -> None:
        outgoing = self._outgoing or outputs.Outgoing([], 0, "")
        failed_sandbox.send(self.run, self.sandbox, result, self._tools.client, self._is_cancelled)
        try:
            digests = delivering.deliver(self.run, outgoing, result, self._tools.client, self._is_cancelled)
            if self.sandbox is not None and result.outcome == FINISHED:
                result.kept = self._tools.temporaries.keep(self.run, self.sandbox)
            if digests and self.run.keep and result.outcome == FINISHED and not self._haunted:
                result.kept += keeping.keep(self._tools.cache, self.run, outgoing.members, digests)
        except Exception as e:
            if result.outcome == FINISHED:
                self._undelivered(result, e)
        self._end(result)

    def _undelivered(self, result: Result, e: Exception) -> None:
        if not isinstance(e, (OSError, outputs.BadOutput, Cancelled, Refused)):
            result.outcome, result.reason = BROKEN, self._fault(e).reason
        else:
            delivering.judge_failure(result, e, self._trouble)

    def _result(self, outcome: str, reason: str) -> Result:
        return Result(self.run.attempt, outcome, reason)

    def _end(self, result: Result) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        if self._watched is not None:
            self._tools.monitor.unwatch(self._watched)
        self._tools.gpus.leave(self)
        if self._inputs is not None:
            self._inputs.close()
        self._tools.cache.let_go(self)
        self._tools.cache.recycle(self, usable=not self._haunted)
        # The delivery is in the result or was sent: nothing here is needed any more.
        if self._haunted:
            remove_tree(self._root)
        elif self._root:
            self._tools.skeletons.give_back(self._root, self._left)
        self._on_end(result)
