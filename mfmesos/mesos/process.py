"""pymesos's Process with another loop: no peer and no callback can end the loop or make it spin."""
from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import threading
import time
from typing import Any, Callable

from mfmesos.mesos.imports import Process
from mfmesos.mesos.stream import EventStream, StreamEnd, Timing
from mfmesos.shared.messages import mesos as m

logger = logging.getLogger(__name__)

_MOST_REDIRECTS = 3


class Backoff:
    """Waiting time before the next try: random, doubling, at most `most_s`."""

    def __init__(self, first_s: float, most_s: float,
                 uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._uniform = uniform
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        # The exponent is bounded: a float overflows after 1024 doublings.
        most = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return self._uniform(most / 2, most)

    def reset(self) -> None:
        self._failures = 0


class HardenedProcess(Process):  # type: ignore[misc]  # pymesos has no types
    """Put it before pymesos's driver among the base classes, and call `harden` after that driver's __init__.

    One thread connects, subscribes, reads events, and starts again with a growing, random pause. Subclasses
    implement gen_request, on_event, on_ended, on_final.
    """

    _started: bool
    _wakeup_fds: tuple[int, int] | None

    def harden(self, masters: list[str], timing: Timing, uniform: Callable[[float, float], float],
               clock: Callable[[], float] = time.monotonic) -> None:
        self._masters = list(masters)
        self._at = 0
        self._redirected: str | None = None
        self._redirects = 0
        self._generation = 0
        self._timing = timing
        self._clock = clock
        self._pauses = Backoff(timing.first_backoff_s, timing.most_backoff_s, uniform)
        self._stream: EventStream | None = None
        self._subscribed = False
        self._subscribed_at = 0.0
        self._reconnect_reason: str | None = None

    # --- for subclasses ---
    def on_ended(self, reason: str, was_subscribed: bool) -> None:
        """The stream has ended; another try follows."""

    def on_final(self, reason: str) -> None:
        """The stream has ended, and no other try follows."""

    def explain(self, status: int, reason: str) -> str:
        """The text for the user about an HTTP status that ends all tries."""
        return reason

    def why_closed(self, address: tuple[str, int]) -> str:
        """More about a peer that closes without an answer; may raise StreamEnd."""
        return ""

    def process_event(self, event: dict[str, Any]) -> None:
        """Handle one event. Exceptions are logged: they are not a fault of the connection."""
        if event.get("type") == "SUBSCRIBED":
            self._subscribed = True
            self._subscribed_at = self._clock()
            self._redirects = 0
        try:
            if self._started:
                self.on_event(event)
        except StreamEnd:
            raise
        except Exception:
            logger.exception("event=%s a callback failed; continuing", event.get("type"))

    # --- for other threads ---
    @property
    def connected(self) -> bool:
        """Whether the driver is subscribed (pymesos: as soon as a stream id is known)."""
        return bool(self._subscribed)

    def change_master(self, new_master: str | None) -> None:
        """Use this master from now on; None: unknown. No I/O here, unlike in pymesos."""
        with self._lock:
            self._masters = [new_master] if new_master else []
            self._at = 0
            self._redirected = None
            self._generation += 1
        self._notify()

    def reconnect(self, reason: str) -> None:
        """Subscribe again: the peer reported an unknown stream."""
        with self._lock:
            self._reconnect_reason = reason
        self._notify()

    def watch_silence(self, silence_s: float | None) -> None:
        """End the stream after this many seconds without a byte."""
        if self._stream is not None:
            self._stream.silence_s = silence_s

    # --- life ---
    def start(self) -> None:
        with self._lock:
            if self._started:
                return
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
            self._wakeup_fds = (reader, writer)
            self._started = True
        self._io_thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._io_thread.start()

    def _notify(self) -> None:
        with self._lock:
            if self._wakeup_fds:
                with contextlib.suppress(BlockingIOError):  # full of wake-up calls already
                    os.write(self._wakeup_fds[1], b"\0")

    def halt(self, timeout_s: float) -> None:
        """End the thread, waiting at most `timeout_s`; sends nothing to the peer."""
        with self._lock:
            self._started = False
        self._notify()
        thread = self._io_thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def stop(self, failover: bool = True) -> None:
        """Unlike pymesos's stop, never tears a framework down by default."""
        self.halt(5.0)

    def _run(self) -> None:
        try:
            while self._started:
                self._round()
        except Exception:
            logger.exception("the driver's loop failed")
            self._call_back(self.on_final, m.DRIVER_FAILED())
        finally:
            self._subscribed = False
            with self._lock:
                self._started = False
                fds, self._wakeup_fds = self._wakeup_fds, None
            for fd in fds or ():
                os.close(fd)

    def _round(self) -> None:
        """One try: choose a master, follow its events to their end, wait."""
        with self._lock:
            self._reconnect_reason = None
            generation = self._generation
            self._master = self._redirected or (self._masters[self._at % len(self._masters)] if self._masters else None)
        if self._master is None:
            self._wait(None, generation)
            return
        end = self._follow(self._master, generation)
        was_subscribed, self._subscribed, self.stream_id = self._subscribed, False, None
        if not self._started:
            return
        if was_subscribed and self._clock() - self._subscribed_at >= self._timing.most_backoff_s:
            self._pauses.reset()
        if end.final:
            self._started = False
            self._call_back(self.on_final, str(end))
            return
        self._call_back(self.on_ended, str(end), was_subscribed)
        self._after(end, generation)

    def _after(self, end: StreamEnd, generation: int) -> None:
        with self._lock:
            if self._generation == generation:
                self._redirected = end.redirect
                if not end.redirect:
                    self._at += 1
        self._redirects += 1 if end.redirect else 0
        if not end.at_once or self._redirects > _MOST_REDIRECTS:
            pause = self._pauses.next()
            logger.info("reason=%r next try in %.1f s", str(end), pause)
            self._wait(pause, generation)

    def _call_back(self, callback: Callable[..., None], *args: object) -> None:
        try:
            callback(*args)
        except Exception:
            logger.exception("a callback failed; continuing")

    def _wait(self, pause_s: float | None, generation: int) -> None:
        """Sleep until the time is over, a new master is known, or the end."""
        deadline = None if pause_s is None else self._clock() + pause_s
        while self._started and self._generation == generation:
            left = None if deadline is None else deadline - self._clock()
            if left is not None and left <= 0:
                return
            self._poll(None, left)

    def _poll(self, stream: EventStream | None, timeout_s: float | None) -> int:
        """Wait for the stream or a wake-up; returns the stream's poll event. (poll: select is limited to 1024
        descriptors.)
        """
        poller = select.poll()
        assert self._wakeup_fds is not None
        wakeup = self._wakeup_fds[0]
        poller.register(wakeup, select.POLLIN)
        if stream is not None:
            poller.register(stream.fileno(), stream.interest())
        happened = dict(poller.poll(None if timeout_s is None else max(0, int(timeout_s * 1000) + 1)))
        if happened.pop(wakeup, 0):
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup, 4096)
        return next(iter(happened.values()), 0)

    def _follow(self, master: str, generation: int) -> StreamEnd:
        """Subscribe at `master` and handle its events until the stream ends; returns the reason."""
        stream = None
        try:
            stream = EventStream(master, self, self._timing, self._clock)
            self._stream = stream
            while True:
                happened = self._poll(stream, stream.remaining())
                if not self._started:
                    return StreamEnd("stopped")
                if self._reconnect_reason is not None:
                    return StreamEnd(self._reconnect_reason)
                if self._generation != generation:
                    return StreamEnd(m.MASTER_CHANGED(), at_once=True)
                stream.advance(happened)
        except StreamEnd as e:
            return e
        except (OSError, ValueError) as e:
            return StreamEnd(f"{master}: {getattr(e, 'strerror', None) or e}")
        except Exception as e:
            logger.exception("master=%s the event stream failed", master)
            return StreamEnd(f"{master}: {type(e).__name__}: {e}")
        finally:
            self._stream = None
            if stream is not None:
                stream.close()


