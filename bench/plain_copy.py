"""Large files, and the least that moving them could take."""
from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rows import Bench

BLOCK = 1 << 20
Inside = Callable[[], AbstractContextManager[None]]


def large_file(bench: Bench, size: int) -> Path:
    """No holes, and no two blocks alike."""
    def make(path: Path) -> None:
        block = os.urandom(BLOCK - 8)
        with path.open("wb") as f:
            for number in range(-(-size // BLOCK)):
                f.write(number.to_bytes(8, "big") + block)
            f.truncate(size)
    return bench.once(f"large-{size}", make)


def plain_copy(
        files: Sequence[Path], address: str = "127.0.0.1", receiver: Inside = nullcontext,
        sender: Inside = nullcontext) -> float:
    """Seconds to send the files over a TCP connection to `address`, one by one, and to write each beside itself.
    `receiver` and `sender`: the hosts of the two ends."""
    started = time.monotonic()
    for path in files:
        with receiver():
            server = socket.create_server((address, 0))
        with server:
            thread = threading.Thread(target=_send, args=(path, server.getsockname(), sender))
            thread.start()
            connection, _ = server.accept()
            with connection, path.with_name(f"{path.name}.copy").open("wb", buffering=0) as target:
                buffer = memoryview(bytearray(BLOCK))
                while count := connection.recv_into(buffer):
                    target.write(buffer[:count])
            thread.join()
    return time.monotonic() - started


def _send(path: Path, address: tuple[str, int], sender: Inside) -> None:
    with sender(), socket.create_connection(address) as connection, path.open("rb") as file:
        connection.sendfile(file)
