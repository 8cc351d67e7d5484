"""The executor's process: connects Mesos's driver to the claim."""
from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import signal
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Mapping

from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import FOLDER_GONE, ClaimData, load_claim_data
from mfmesos.shared.wire_checks import WireError
from mfmesos_executor.files import FolderGone, remove_tree, unlink
from mfmesos_executor.first_copies import FOLDER, FirstCopies, make_folder
from mfmesos_executor.reap import Reaper, become_subreaper
from mfmesos_executor.slice_tasks import Slices
from mfmesos_executor.sync_state import Close

if TYPE_CHECKING:
    from mfmesos_executor.claim import Claim

logger = logging.getLogger(__name__)
ACKNOWLEDGE_S = 5.0
OTHERS_S, OTHERS_STEP_S = 3.0, 0.05


class Executor:
    """Starts a claim on Mesos's events, and turns its end into a status update.

    The methods on_... are called on the driver's thread and only enqueue.
    """

    def __init__(
        self, sandbox: str, environ: Mapping[str, str], reaper: Reaper | None = None,
        clock: Callable[[], float] = time.monotonic, pause: Callable[[float], None] = time.sleep,
        first: FirstCopies | None = None,
    ) -> None:
        self._first = first or FirstCopies()
        self._clock, self._pause = clock, pause
        self._folder = f"{sandbox}/{FOLDER}"
        self._environ = environ
        self._reaper = reaper or Reaper()
        self._claim: Claim | None = None
        self._lock = threading.Lock()
        self._launched: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._task_id = ""
        self._shutdown_s = 5.0
        self._update: Callable[..., None] = lambda *_: None
        self._slices = Slices(lambda *of: self._update(*of))

    # --- from the driver ---
    def on_launch(self, task_id: str, data: bytes) -> None:
        if not data:
            self._slices.launched(task_id)
            return
        with self._lock:
            first = not self._task_id
            if first:
                self._task_id = task_id
        if first:
            self._launched.put((task_id, data))
        elif task_id != self._task_id:
            self._update(task_id, "TASK_FAILED", m.ONE_CLAIM_ONLY())

    def on_kill(self, task_id: str, grace_s: float | None) -> None:
        if not self._slices.kill(task_id):
            self._post(Close("TASK_KILLED", "", self._shutdown_s * 0.5 if grace_s is None else grace_s * 0.5))

    def on_shutdown(self) -> None:
        self._post(Close("TASK_KILLED", m.SHUTDOWN_REQUESTED(), self._shutdown_s * 0.4))

    def on_connected(self) -> None:
        """Nothing to do."""

    def on_disconnected(self) -> None:
        """With checkpointing the agent returns; running attempts continue."""

    def on_lost(self, reason: str) -> None:
        self._post(Close("TASK_LOST", reason, 1.0))

    def _post(self, close: Close) -> None:
        with self._lock:
            claim = self._claim
        if claim is not None:
            claim.post(close)
        else:
            self._launched.put(close)

    # --- main thread ---
    def run(self, driver: Any) -> int:
        """Serve the one claim; returns the exit code. However the claim ends, no file of the executor stays in the
        sandbox.
        """
        self._update = driver.update
        self._shutdown_s = float(getattr(driver, "grace_shutdown_period", 5.0))
        try:
            driver.start()
            close = self._serve(driver)
        except FolderGone:
            # A task may have caused it. The scheduler knows which tasks ran, and finds out after a bad end.
            logger.error("event=end the folder of the claim is gone")
            self._reaper.kill_all()
            self._remove_beside_others()
            driver.stop()
            return FOLDER_GONE
        except BaseException:
            self._reaper.kill_all()
            self.remove_all()
            raise
        if not close.over:
            self.remove_all()
        if self._task_id and close.state != "TASK_LOST":
            self._slices.end_all(close.state, close.message)
            driver.update(self._task_id, close.state, close.message)
            if close.over:
                self.remove_all()
            driver.wait_acknowledged(ACKNOWLEDGE_S)
        logger.info("event=end state=%s %s", close.state, close.message)
        driver.stop()
        return 0

    def _serve(self, driver: Any) -> Close:
        from mfmesos_executor.claim import Claim  # while the agent answers (docs/performance.md, Start-up)

        first = self._launched.get()
        if isinstance(first, Close):
            return first
        task_id, raw = first
        try:
            data: ClaimData = load_claim_data(raw)
            if data.umask >= 0:
                os.umask(data.umask & 0o777)
            make_folder(os.path.dirname(self._folder))
            claim = Claim(data, tempfile.mkdtemp(dir=self._folder), self._environ, self._reaper,
                          give_back=self._slices.give_back, first=self._first)
        except WireError as e:
            return Close("TASK_FAILED", m.CLAIM_DATA_INVALID(why=e))
        except OSError as e:
            return Close("TASK_FAILED", m.SANDBOX_READ_ONLY(why=e))
        driver.update(task_id, "TASK_RUNNING")
        logger.info("claim=%s pid=%d", data.claim, os.getpid())
        with self._lock:
            self._claim = claim
        # Updates that came before the claim existed.
        while not self._launched.empty():
            claim.post(self._launched.get())
        return claim.run()

    def _remove_beside_others(self) -> None:
        """Another process may still be removing the folder, and its open files keep the executor from removing its
        own.
        """
        until = self._clock() + OTHERS_S
        self.remove_all()
        while os.path.lexists(self._folder) and self._clock() < until:
            self._pause(OTHERS_STEP_S)
            self.remove_all()

    def remove_all(self) -> None:
        """Remove the executor's files in the sandbox. May be called more than once."""
        self._first.stop()
        remove_tree(self._folder)
        sandbox = os.path.dirname(self._folder)
        for name in os.listdir(sandbox) if os.path.isdir(sandbox) else ():
            if re.match(r"mfmesos-executor.*\.(pyz|tar\.gz)\Z", name):
                unlink(f"{sandbox}/{name}")


def keep_descriptors() -> None:
    """Descriptors inherited from the agent must not reach tasks."""
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []:
        number = int(name)
        if number > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(number, False)


def obey_signals(executor: Executor) -> None:
    """SIGTERM and SIGINT act as SHUTDOWN."""
    def obey(*_: Any) -> None:
        # On a separate thread: a handler runs in the middle of code that may hold a lock.
        threading.Thread(target=executor.on_shutdown, daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, obey)


def main(first: FirstCopies | None = None) -> int:
    """The entry point; all settings come from the environment that the Mesos agent sets. `first`: begun before."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    from mfmesos.mesos.executor_driver import ExecutorDriver, ExecutorRefused

    keep_descriptors()
    become_subreaper()
    environ = dict(os.environ)
    sandbox = os.path.abspath(environ.get("MESOS_SANDBOX") or os.getcwd())
    executor = Executor(sandbox, environ, first=first)
    obey_signals(executor)
    try:
        driver = ExecutorDriver(executor, environ)
        return executor.run(driver)
    except ExecutorRefused as e:
        executor.remove_all()
        print(f"mfmesos executor: {e}", file=sys.stderr)
        return 1
