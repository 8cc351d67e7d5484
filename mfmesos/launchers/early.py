"""A scheduler process that starts before its launcher knows what the scheduler has to run: it imports its modules while
the launcher parses options and prepares the folder (docs/performance.md, Start-up).
"""
from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence

from mfmesos.shared import own_programs

EARLY = "--early"
"""The scheduler's first argument; the second is the descriptor of its socket, from which it gets its real ones."""
MOST_FDS = 8


class Early:
    """`take` it or `close` it. Raises OSError if the program cannot be started."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        self._command = list(command) or own_programs.command(own_programs.SCHEDULER)
        self._environ = dict(os.environ)
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [*self._command, EARLY, str(theirs.fileno())], stdin=subprocess.DEVNULL, stdout=2,
                start_new_session=True, pass_fds=(theirs.fileno(),))

    def take(
        self, command: Sequence[str], cwd: str, environ: Mapping[str, str], pass_fds: Sequence[int],
    ) -> subprocess.Popen[bytes] | None:
        """The process, which runs that command now as if it had been started so; None if it cannot, and has ended."""
        own = len(self._command)
        process = None
        if self._process is not None and list(command[:own]) == self._command and environ == self._environ:
            with contextlib.suppress(OSError):
                socket.send_fds(self._socket, [b"\0"], pass_fds)
                self._socket.sendall(json.dumps([cwd, *command[own:]]).encode())
                process, self._process = self._process, None
        self.close()
        return process

    def close(self) -> None:
        """End the process unless it was taken."""
        self._socket.close()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def await_arguments(number: str) -> list[str] | None:
    """For the process itself: its arguments, once the launcher has sent them, in the folder that it names; None if the
    launcher needs no scheduler. The launcher's descriptors stay open until the process ends.
    """
    parts = []
    with socket.socket(fileno=int(number)) as ours, contextlib.suppress(ConnectionError):
        begun, *_ = socket.recv_fds(ours, 1, MOST_FDS)
        while begun and (part := ours.recv(1 << 16)):
            parts.append(part)
    if not parts:
        return None
    cwd, *argv = json.loads(b"".join(parts))
    os.chdir(cwd)
    return list(argv)
