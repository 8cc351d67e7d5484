"""Inputs from web servers: fetched, continued after a break, and verified."""
from __future__ import annotations

import hashlib
import os
import time
from contextlib import closing
from typing import Callable, Sequence

from mfmesos.shared import webrequest as web
from mfmesos.shared.holes import write_at
from mfmesos.shared.messages import webfiles as m
from mfmesos.shared.webrequest import Hope, Version, WebError
from mfmesos.shared.wire import Input
from mfmesos_executor.client import CHUNK, Cancelled
from mfmesos_executor.files import unlink

SILENT_S = 30.0
"""A transfer without progress for this long is lost."""
PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before each further try in a row without progress."""
WHOLE_TRIES = 2
"""A whole file with another sha256 is fetched again: a proxy or the network may have damaged it."""
NOT_SATISFIABLE = 416
STEP_S = 0.1


class Web:
    """The source of inputs with a URL."""

    def __init__(self, silent_s: float = SILENT_S, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._silent_s = silent_s
        self._pauses_s = pauses_s

    def fetch(self, item: Input, path: str, cancelled: Callable[[], bool]) -> bool:
        if not item.url:
            return False
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for left in reversed(range(WHOLE_TRIES)):
                download = _Download(item, fd, self._silent_s)
                self._whole(download, cancelled)
                if download.is_right():
                    return True
                if not left:
                    raise download.other_content()
        except BaseException:
            unlink(path)
            raise
        finally:
            os.close(fd)
        raise AssertionError(WHOLE_TRIES)

    def _whole(self, download: _Download, cancelled: Callable[[], bool]) -> None:
        """Over as many requests as it takes, while each brings something new or the next pause is not the last."""
        pauses = list(self._pauses_s)
        while True:
            before = download.farthest
            try:
                return download.proceed(cancelled)
            except WebError as e:
                if download.farthest > before:
                    pauses = list(self._pauses_s)
                if e.hope is not Hope.HERE or not pauses:
                    raise
            _wait(pauses.pop(0), cancelled)


class _Download:
    """One file on its way into `fd`."""

    def __init__(self, item: Input, fd: int, silent_s: float) -> None:
        self._item = item
        self._fd = fd
        self._silent_s = silent_s
        self._version = Version(item.tag, item.size) if item.tag else None
        self.farthest = 0
        """Bytes that arrived, at most, before something broke."""
        self._restart()

    def _restart(self) -> None:
        os.ftruncate(self._fd, 0)
        self._received = 0
        self._digest = hashlib.sha256()

    def proceed(self, cancelled: Callable[[], bool]) -> None:
        """Fetch the rest. Raises WebError, Cancelled, OSError."""
        start = self._received
        try:
            answer = web.request(
                "GET", self._item.url, {"Range": f"bytes={start}-"} if start else {}, self._silent_s)
        except WebError as e:
            if e.status != NOT_SATISFIABLE or not start:
                raise
            self._restart()
            raise WebError(m.RANGE_NOT_KEPT(url=self._shown), Hope.HERE) from None
        with closing(answer):
            version = web.version_of(answer)
            self._compare(version)
            if answer.status == 206 and web.part_of(answer)[0] != start:
                self._restart()
                raise WebError(m.RANGE_NOT_KEPT(url=self._shown), Hope.HERE)
            if answer.status == 200 and start:
                self._restart()
            self._take(answer, cancelled)
            if version.size not in (web.UNKNOWN, self._received):
                raise WebError(
                    m.BODY_CUT_SHORT(url=self._shown, received=self._received, size=version.size), Hope.HERE)
            os.ftruncate(self._fd, self._received)

    def _take(self, answer: object, cancelled: Callable[[], bool]) -> None:
        while True:
            if cancelled():
                raise Cancelled
            piece = web.read(answer, CHUNK, self._item.url)
            if not piece:
                return
            write_at(self._fd, piece, self._received, self._item.sparse)
            self._digest.update(piece)
            self._received += len(piece)
            self.farthest = max(self.farthest, self._received)

    def _compare(self, found: Version) -> None:
        """All parts must be of one version, the one that the scheduler saw."""
        wanted = self._version
        if wanted is None:
            self._version = found
        elif not found.is_same(wanted):
            if not self._item.tag:  # the sha256 decides about the new version
                self._version = None
                self._restart()
                raise WebError(m.OTHER_VERSION(url=self._shown, found=found, wanted=wanted), Hope.HERE)
            raise WebError(m.OTHER_VERSION(url=self._shown, found=found, wanted=wanted), Hope.NOWHERE)

    def is_right(self) -> bool:
        return bool(self._item.tag) or self._digest.hexdigest() == self._item.digest

    def other_content(self) -> WebError:
        return WebError(m.OTHER_SHA256(
            url=self._shown, found=self._digest.hexdigest(), wanted=self._item.digest), Hope.NOWHERE)

    @property
    def _shown(self) -> str:
        return web.shown(self._item.url)


def _wait(pause_s: float, cancelled: Callable[[], bool]) -> None:
    """The pause between two tries, which a kill interrupts."""
    until = time.monotonic() + pause_s
    while time.monotonic() < until:
        if cancelled():
            raise Cancelled
        time.sleep(min(STEP_S, max(0.0, until - time.monotonic())))
