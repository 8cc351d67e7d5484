"""Symbolic links in folders that travel: which of those that lead out are kept.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/dev/null")
"""Every machine has its own, readable for all."""


def may_lead_to(path: str) -> bool:
    """Whether a link to this absolute path is kept as it is, although that lies in no folder of a task: a part of the
    system, a program (a virtual environment's Python, say), or nothing that exists."""
    path = os.path.normpath(path)
    if any(path == folder or path.startswith(folder + "/") for folder in SYSTEM):
        return True
    if not os.path.exists(path):
        return True
    return os.path.isfile(path) and os.access(path, os.X_OK)
