"""What several tests need: waiting without a fixed sleep, free ports, how many examples Hypothesis tries, what to do
when something is missing."""
from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from typing import Callable, TypeVar

import pytest

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], timeout: float = 20.0, what: str = "the condition") -> T:
    """The first true value of `predicate`, polled; AssertionError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        pause.wait(0.02)


def free_port() -> int:
    """A free port on loopback, as is the one after it. The kernel gives such ports to nobody who names none: to no
    client, and to no server of another test."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", port))
            next_one.bind(("127.0.0.1", port + 1))
            return port


def examples(count: int) -> int:
    """The number of examples for Hypothesis: `count`, or the share of it that MFMESOS_EXAMPLES (0 to 1) names."""
    return max(1, round(count * float(os.environ.get("MFMESOS_EXAMPLES", "1"))))


def need(condition: object, reason: str, cure: str) -> None:
    """What a test needs that a user's machine may not have: skips with reason and cure, fails when CI=true."""
    if condition:
        return
    text = f"{reason}; {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have everything: {text}", pytrace=False)
    pytest.skip(text)
