"""Inputs on web servers, as the scheduler sees them: each URL is asked once for the version of its file."""
from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing

from mfmesos.core.model import Remote, StagedInput
from mfmesos.shared import webrequest as web
from mfmesos.shared.messages import webfiles as m
from mfmesos.shared.webrequest import Hope, Version, WebError

AT_ONCE = 16
"""Simultaneous requests."""
ASK_S = 20.0
"""A server that sends nothing for this long does not answer."""
PAUSES_S = (1.0, 3.0)
"""Before each further try."""
AGAIN_S = 60.0
"""A URL, or a server, that did not answer is asked again after this, when a task needs it."""
GONE = (404, 410)
NO_VERSION = Version("")


def ask(url: str, timeout_s: float = ASK_S) -> Version:
    """The present version of the file (blocking). Raises WebError."""
    try:
        found = _version("HEAD", url, {}, timeout_s)
    except WebError as e:
        refused = e.status == 501 or (e.hope is Hope.NOWHERE and e.status and e.status not in GONE)
        if not refused:  # a GET would end the same way
            raise
        found = NO_VERSION
    if found.tag and found.size != web.UNKNOWN:
        return found
    try:
        found = _version("GET", url, {"Range": "bytes=0-0"}, timeout_s)
    except WebError as e:
        if e.status != 416:  # an empty file has no first byte
            raise
        found = _version("GET", url, {}, timeout_s)
    if not found.tag:
        raise WebError(m.NO_VERSION(url=web.shown(url)), Hope.NOWHERE)
    return found


def _version(method: str, url: str, headers: dict[str, str], timeout_s: float) -> Version:
    with closing(web.request(method, url, headers, timeout_s)) as answer:
        return web.version_of(answer)


class _Asked:
    """A URL, its answer, and who waits for it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.version: Version | None = None
        self.failure = ""
        self.failed_at = 0.0
        self.then: list[Callable[[], None]] = []

    @property
    def answered(self) -> bool:
        return self.version is not None or bool(self.failure)


class Remotes:
    """Thread-safe. An answer counts until the end of the run: a run uses one version of a file. A failure counts for
    AGAIN_S, and so does a server that does not answer.
    """

    def __init__(self, ask: Callable[[str], Version] = ask, clock: Callable[[], float] = time.monotonic,
                 pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._ask = ask
        self._clock = clock
        self._pauses_s = pauses_s
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}
        self._down: dict[str, tuple[float, str]] = {}
        """Server -> when it did not answer, and what that looked like."""
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._threads = 0
        self._closed = threading.Event()

    # --- questions ------------------------------------------------------------------------------
    def begin(self, urls: Iterable[str], then: Callable[[], None]) -> None:
        """Call `then` once each of the URLs has an answer or failed: at once, or on another thread."""
        wanted = dict.fromkeys(urls)
        left = len(wanted)

        def one_less() -> None:
            nonlocal left
            with self._lock:
                left -= 1
                over = not left
            if over:
                then()

        if not wanted:
            then()
        for url in wanted:
            if self._enter(url, one_less):
                one_less()

    def _enter(self, url: str, then: Callable[[], None]) -> bool:
        """Whether its answer is known; if not, `then` will be called."""
        with self._lock:
            asked = self._asked.get(url)
            if asked is not None and (not asked.failure or self._clock() - asked.failed_at < AGAIN_S):
                if not asked.answered:
                    asked.then.append(then)
                return asked.answered
            asked = self._asked[url] = _Asked(url)
            asked.then.append(then)
            self._queue.put(asked)
            if self._threads < AT_ONCE and not self._closed.is_set():
                self._threads += 1
                # A daemon: a server that is silent must not hold up the end of the process.
                threading.Thread(target=self._work, name="remotes", daemon=True).start()
        return False

    def ask_all(self, urls: Iterable[str]) -> None:
        """The same, but wait for the answers (blocking)."""
        over = threading.Event()
        self.begin(urls, over.set)
        while not over.wait(0.2) and not self._closed.is_set():
            pass

    def adopt(self, url: str, version: Version) -> None:
        """An earlier scheduler of the run has asked."""
        with self._lock:
            asked = self._asked.setdefault(url, _Asked(url))
            if not asked.answered and not asked.then:
                asked.version = version

    def close(self) -> None:
        """Nobody waits any more."""
        self._closed.set()
        for _ in range(self._threads):
            self._queue.put(None)

    # --- answers --------------------------------------------------------------------------------
    def is_known(self, url: str) -> bool:
        with self._lock:
            asked = self._asked.get(url)
            return asked is not None and asked.answered

    def version(self, url: str) -> Version:
        """Of a URL that was asked. Raises WebError if it has no answer."""
        with self._lock:
            asked = self._asked.get(url)
        if asked is None or asked.version is None:
            raise WebError(asked.failure if asked else m.NO_ANSWER(url=web.shown(url), why=""), Hope.HERE)
        return asked.version

    def stage(self, name: str, remote: Remote) -> StagedInput:
        """The input as its executor fetches it; without a sha256 the URL was asked. Raises WebError."""
        if remote.sha256:
            return StagedInput(name, remote.sha256, web.UNKNOWN, 0o644, stamp=stamp(remote.url), url=remote.url)
        found = self.version(remote.url)
        key = hashlib.sha256(f"{remote.url}\0{found.tag}\0{found.size}".encode("utf-8", "surrogatepass")).hexdigest()
        return StagedInput(
            name, key, found.size, 0o644, stamp=stamp(remote.url, found), url=remote.url, tag=found.tag)

    # --- threads --------------------------------------------------------------------------------
    def _work(self) -> None:
        while True:
            asked = self._queue.get()
            if asked is None or self._closed.is_set():
                return
            self._answer(asked)

    def _answer(self, asked: _Asked) -> None:
        version, failure = None, ""
        try:
            version = self._try(asked.url)
        except WebError as e:
            failure = str(e)
        with self._lock:
            asked.version, asked.failure, asked.failed_at = version, failure, self._clock()
            waiting, asked.then = asked.then, []
        for then in waiting:
            then()

    def _try(self, url: str) -> Version:
        server = web.server(url)
        for pause in (*self._pauses_s, None):
            with self._lock:
                since, why = self._down.get(server, (-AGAIN_S, ""))
                if self._clock() - since < AGAIN_S:
                    raise WebError(why, Hope.HERE)
            try:
                return self._ask(url)
            except WebError as e:
                if e.hope is Hope.HERE and pause is not None and not self._closed.wait(pause):
                    continue
                if e.hope is Hope.HERE and not e.status:
                    with self._lock:
                        self._down[server] = self._clock(), str(e)
                raise
        raise AssertionError(server)


def stamp(url: str, version: Version = NO_VERSION) -> str:
    """What the records of finished tasks keep of an input on a web server: the URL only as a digest."""
    size = "?" if version.size == web.UNKNOWN else version.size
    digest = hashlib.sha256(web.public(url).encode("ascii")).hexdigest()
    return f"url {digest} {size} {version.tag}"


def version_in(text: str, url: str) -> Version | None:
    """The version in a `stamp`; None if it is another file's."""
    word, *rest = text.split(" ", 3)
    if word != "url" or len(rest) != 3 or rest[0] != stamp(url).split(" ")[1]:
        return None
    return Version(rest[2], int(rest[1]) if rest[1].isdigit() else web.UNKNOWN)
