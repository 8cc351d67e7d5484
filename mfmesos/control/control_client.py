"""Asks the scheduler of a run, over its control socket."""
from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from mfmesos.control import socket_place
from mfmesos.control.socket_place import peer_user
from mfmesos.shared.messages import control as m
from mfmesos.shared.plainerrors import plain

ANSWER_S = 10.0


class ControlError(Exception):
    """The scheduler cannot be asked, or refuses: one line."""


class NotAlive(ControlError):
    """No scheduler listens for that folder."""


class ControlClient:
    """One connection. Every method raises ControlError."""

    def __init__(self, state_dir: Path, answer_s: float = ANSWER_S) -> None:
        pointer = socket_place.find(state_dir)
        if pointer is None:
            raise NotAlive(m.NOBODY_LISTENS(folder=state_dir.parent))
        if pointer.host != socket.gethostname():
            raise ControlError(m.RUNS_ELSEWHERE(folder=state_dir.parent, host=pointer.host, process=pointer.pid))
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(answer_s)
        try:
            self._socket.connect(pointer.socket)
            if peer_user(self._socket) not in (0, os.geteuid()):
                raise NotAlive(m.NOBODY_LISTENS(folder=state_dir.parent))
            self._lines = self._socket.makefile("rb")
            self._read()
        except OSError:
            self._socket.close()
            raise NotAlive(m.NOBODY_LISTENS(folder=state_dir.parent)) from None
        except ControlError:
            self._socket.close()
            raise

    def ask(self, name: str, **more: Any) -> Any:
        try:
            self._socket.sendall(json.dumps({"ask": name, **more}).encode() + b"\n")
            reply = self._read()
        except OSError as e:
            raise ControlError(m.CONTROL_SILENT(why=plain(e))) from None
        if "error" in reply:
            raise ControlError(str(reply["error"]))
        return reply.get("answer")

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise NotAlive(m.CONNECTION_ENDED())
        return reply

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
