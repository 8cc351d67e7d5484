"""Keeps the claims of all runs of mfmesos on one agent off each other's devices.

A lock is an abstract Unix socket that is bound but does not listen: it has no file that could stay behind, the kernel
frees it with the process, and any user of the machine sees it. It holds within one network namespace.
"""
from __future__ import annotations

import socket
import threading

PREFIX = "\0mfmesos/device/"
UUIDS = ("GPU-", "MIG-")


class Locks:
    """Those that this process holds. Thread-safe. A UUID is locked on the whole machine, any other id on the agent."""

    def __init__(self, agent: str = "") -> None:
        self._agent = agent
        self._guard = threading.Lock()
        self._held: dict[str, socket.socket] = {}

    def take(self, device: str) -> bool:
        """Whether the device is now this process's; not if it already was."""
        with self._guard:
            if device in self._held:
                return False
            name = device if device.startswith(UUIDS) else f"{self._agent}/{device}"
            bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                bound.bind(f"{PREFIX}{name[-80:]}".encode())  # a name has 108 bytes at most
            except OSError:
                bound.close()
                return False
            self._held[device] = bound
            return True

    def release(self, device: str) -> None:
        with self._guard:
            bound = self._held.pop(device, None)
            if bound is not None:
                bound.close()

    def is_free(self, device: str) -> bool:
        """Whether nobody holds it, this process included."""
        if not self.take(device):
            return False
        self.release(device)
        return True
