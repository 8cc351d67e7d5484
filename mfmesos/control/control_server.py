"""The scheduler's end of the control socket, in its asyncio loop.

The protocol: each line is one JSON object. A question is {"ask": NAME, ...}; its answer, in the same order, is
{"answer": ...} or {"error": "one line"}. The first line, from the server, is {"mfmesos": VERSION, "protocol": 1}.
Fields and questions are only ever added. Only processes of the run's user are heard (SO_PEERCRED), and answers are
bounded.
"""
from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any, Callable, Union

from mfmesos import __version__
from mfmesos.control.socket_place import peer_user
from mfmesos.shared.messages import control as m

log = logging.getLogger("mfmesos.control")
PROTOCOL = 1
MOST_LINE = 64 * 1024
"""Bytes of a question."""
MOST_CLIENTS = 32
IDLE_S = 300.0
"""Without a question for so long, a client is closed."""
Question = Mapping[str, Any]
Answer = Callable[[Question], Union[Any, Awaitable[Any]]]


class BadQuestion(ValueError):
    """For the client, one line."""


class ControlServer:
    """`answers`: by the name of the question."""

    def __init__(self, answers: Mapping[str, Answer], user: int | None = None) -> None:
        self._answers = answers
        self._user = os.geteuid() if user is None else user
        self._server: asyncio.AbstractServer | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self, path: Path) -> None:
        """Replaces the socket of a dead scheduler: the run holds the folder's lock. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, path, limit=MOST_LINE)
        path.chmod(0o600)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._clients):
                writer.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MOST_CLIENTS or peer_user(writer.get_extra_info("socket")) not in (0, self._user):
            writer.close()
            return
        self._clients.add(writer)
        try:
            self._send(writer, {"mfmesos": __version__, "protocol": PROTOCOL})
            while True:
                line = await asyncio.wait_for(reader.readline(), IDLE_S)
                if not line:
                    return
                self._send(writer, await self._answer(line))
                await asyncio.wait_for(writer.drain(), IDLE_S)
        except (OSError, ValueError, asyncio.TimeoutError):  # gone, too slow, or a line without an end
            return
        finally:
            self._clients.discard(writer)
            writer.close()

    @staticmethod
    def _send(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
        writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    async def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            question = json.loads(line)
            answer = self._answers[question["ask"]]
        except (ValueError, TypeError, KeyError, RecursionError):
            return {"error": m.UNKNOWN_QUESTION()}
        try:
            found = answer(question)
            return {"answer": await found if asyncio.iscoroutine(found) else found}
        except BadQuestion as e:
            return {"error": str(e)}
        except Exception:  # a question must never end the run
            log.exception("event=question_failed ask=%s", str(question["ask"])[:40])
            return {"error": m.QUESTION_FAILED()}
