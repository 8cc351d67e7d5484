"""A pool for a program's own manager, as cctools' Factory class is used:

    with mfmesos.Pool(manager, master="mesos.example.org:5050", max=20):
        while not manager.empty():
            manager.wait(5)
"""
from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any

from mfmesos.shared.messages import launchers as m

STOP_S = 30.0


class Pool:
    """`mfmesos pool` as a process of its own, which ends with the block or with this program.

    `manager`: a manager of ndcctools, a project's name, or "HOST:PORT". The other arguments are the options of
    `mfmesos pool`: max=20, cores=4, password="FILE", feature=["a", "b"], ssl=True; `folder` keeps its files.
    """

    def __init__(self, manager: Any, **options: Any) -> None:
        self._arguments = [*_served(manager), *_arguments(options)]
        self._own_folder: tempfile.TemporaryDirectory[str] | None = None
        if "folder" not in options:
            self._own_folder = tempfile.TemporaryDirectory(prefix="mfmesos-pool-")
            self._arguments.append(f"--folder={self._own_folder.name}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Pool:
        """Returns at once; what keeps the pool from starting is on standard error, and is raised by `stop`."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mfmesos", "pool", *self._arguments], stdin=subprocess.DEVNULL, stdout=sys.stderr,
            start_new_session=True)
        return self

    def stop(self) -> None:
        """End the pool and its workers. Raises RuntimeError if the pool had failed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if self._own_folder is not None:
            self._own_folder.cleanup()
        if code:
            raise RuntimeError(m.POOL_PROCESS_FAILED(code=code))

    def __enter__(self) -> Pool:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()


def _served(manager: Any) -> list[str]:
    if isinstance(manager, str):
        host, _, port = manager.rpartition(":")
        return [f"--manager={manager}"] if host and port.isdigit() else [manager]
    if getattr(manager, "name", None):
        return [str(manager.name)]
    return [f"--manager={socket.gethostname()}:{manager.port}"]  # as cctools' Factory: agents must reach it


def _arguments(options: dict[str, Any]) -> list[str]:
    found = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is True:
                found.append(option)
            elif one is not None and one is not False:
                found.append(f"{option}={one}")
    return found
