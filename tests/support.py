"""What several tests need: waiting without a fixed sleep, free ports, what to do when something is missing."""
from __future__ import annotations

import os
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
    """A port on loopback that the kernel reports as free."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def need(condition: object, reason: str, cure: str) -> None:
    """What a test needs that a user's machine may not have: skips with reason and cure, fails when CI=true."""
    if condition:
        return
    text = f"{reason}; {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have everything: {text}", pytrace=False)
    pytest.skip(text)
