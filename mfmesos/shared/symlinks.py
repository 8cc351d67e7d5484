"""What lies in which folder, what leads out of it, and which symbolic links that lead out of a folder are kept.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/dev/null")
"""Every machine has its own, readable for all."""


def name_in(folder: str, path: str) -> str | None:
    """The name of `path` relative to the folder, "." for the folder itself; None when it lies elsewhere. Both are taken
    as they are written, without ./, // or a slash at the end (but for "/"): no link is followed."""
    if path == folder:
        return "."
    base = folder.rstrip("/") + "/"
    return path[len(base):] if path.startswith(base) else None


def lies_in(folder: str, path: str) -> bool:
    """Whether `path` is the folder or something in it; as for `name_in`, no link is followed."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def leads_out(folder: str, path: str) -> bool:
    """Whether a path, which need not exist, ends outside of the folder once all links are followed."""
    return not lies_in(os.path.realpath(folder), os.path.realpath(path))


def may_lead_to(path: str) -> bool:
    """Whether a link to this absolute path is kept as it is, although that lies in no folder of a task: a part of the
    system, a program (a virtual environment's Python, say), or nothing that exists."""
    path = os.path.normpath(path)
    if any(lies_in(folder, path) for folder in SYSTEM):
        return True
    if not os.path.exists(path):
        return True
    return os.path.isfile(path) and os.access(path, os.X_OK)
