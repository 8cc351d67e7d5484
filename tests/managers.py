"""A stand-in for managers of Work Queue and TaskVine. It answers with what real ones answered (tests/engines/*.json),
and treats wrong questions as they do; tests/vine holds it against the real ones.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "engines"
PROOF = b"auth password sha1\n"


def recorded(name: str) -> list[dict[str, Any]]:
    """A recorded answer, such as "status-taskvine-main"."""
    found = json.loads((RECORDED / f"{name}.json").read_text())
    assert isinstance(found, list)
    return found


class Manager:
    """Listens on loopback. `answers` maps each question to the answer's records; another question counts as a lost
    worker, as does TLS in the clear.
    """

    def __init__(self, answers: dict[str, list[dict[str, Any]]], password: bytes = b"",
                 tls: ssl.SSLContext | None = None) -> None:
        self.answers, self._password, self._tls = answers, password, tls
        self.asked: list[str] = []
        self.lost = 0
        self.resets: set[str] = set()
        """Questions at which the connection is reset."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk_safely, args=(connection,), daemon=True).start()

    def _talk_safely(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with contextlib.suppress(OSError), connection:
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is not None:
            if connection.recv(1, socket.MSG_PEEK) != b"\x16":
                # Closed with unread data: the other side's connection is reset, as the real ones do it.
                return
            connection = self._tls.wrap_socket(connection, server_side=True)
        elif connection.recv(1, socket.MSG_PEEK) == b"\x16" and not self._password:
            self.lost += 1
            return
        with connection:
            stream = connection.makefile("rwb")
            if self._password and not self._proven(stream):
                return
            line = stream.readline().decode(errors="replace").strip()
            self.asked.append(line)
            if line in self.resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif line in self.answers:
                stream.write(json.dumps(self.answers[line]).encode())
                stream.flush()
            else:
                self.lost += 1

    def _proven(self, stream: Any) -> bool:
        stream.write(PROOF)
        stream.flush()
        if stream.readline() != PROOF:
            return False
        stream.write(b"a-random-word\n")
        stream.flush()
        word = stream.readline().rstrip(b"\n")
        stream.write(self._proof(word) + b"\n")
        stream.flush()
        accepted = stream.readline().rstrip(b"\n") == self._proof(b"a-random-word")
        stream.write(b"ok\n" if accepted else b"failure\n")
        stream.flush()
        return accepted and stream.readline() == b"ok\n"

    def _proof(self, word: bytes) -> bytes:
        return hashlib.sha1(self._password + b" " + word).hexdigest().encode()


@contextlib.contextmanager
def manager(kind: str, password: bytes = b"", tls: ssl.SSLContext | None = None, **changes: Any) -> Iterator[Manager]:
    """A manager of `kind`, "taskvine-main", "workqueue-main" or "debian", with a worker. `changes`: of its status."""
    status = [{**recorded(f"status-{kind}")[0], **changes}]
    answers = {"resources_status": status, "worker_status": recorded(f"workers-{kind}")}
    if not kind.startswith("taskvine"):
        answers["queue_status"] = status
    made = Manager(answers, password, tls)
    yield made
    made.close()
