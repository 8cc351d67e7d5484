"""Stores the body of a request as a file."""
from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Callable

from mfmesos import aio
from mfmesos.shared.messages import streams as m
from mfmesos.staging.refusals import Refused

SPARE_BYTES = 16 << 20
"""This much of the disk stays free."""
Blocking = Callable[..., Awaitable[Any]]


def has_room(folder: Path, size: int) -> bool:
    room = os.statvfs(folder)
    return size <= room.f_bavail * room.f_frsize - SPARE_BYTES


async def stored_body(request: aio.web.Request, path: str, blocking: Blocking, idle_s: float,
                      look: Callable[[bytes], object]) -> None:
    """Write the body to `path`, a new file that the caller removes after an error; `look` sees each piece. Raises
    Refused for a body that stays away for `idle_s`, OSError.
    """
    def write(fd: int, data: bytes) -> None:
        look(data)
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]

    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data := await asyncio.wait_for(request.content.read(1 << 20), idle_s):
            writing = asyncio.ensure_future(blocking(write, fd, data))
            try:
                await asyncio.shield(writing)
            finally:
                await asyncio.wait((writing,))  # a thread must not write to a number that is closed
    except asyncio.TimeoutError:
        raise Refused(408, m.OUTPUTS_TOO_SLOW()) from None
    finally:
        os.close(fd)
