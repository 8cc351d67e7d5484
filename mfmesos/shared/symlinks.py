"""Which path lies in which folder, which path leads out of a folder, and which such links are kept.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import os

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/dev/null")
"""Parts of the system, which every machine has and every user can read."""


def name_in(folder: str, path: str) -> str | None:
    """The name of `path` relative to the folder, "." for the folder itself; None if `path` is elsewhere. Both are
    compared as written, without ./, // or a trailing slash (except for "/"): no link is followed.
    """
    if path == folder:
        return "."
    base = folder.rstrip("/") + "/"
    return path[len(base):] if path.startswith(base) else None


def lies_in(folder: str, path: str) -> bool:
    """Whether `path` is the folder or something in it; no link is followed."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def leads_out(folder: str, path: str) -> bool:
    """Whether a path, which need not exist, ends outside the folder after all links are followed."""
    return not lies_in(os.path.realpath(folder), os.path.realpath(path))


def may_lead_to(path: str) -> bool:
    """Whether a link to this absolute path, which is in no folder of a task, is kept unchanged: a link to a part of the
    system, to a program (such as a virtual environment's Python), or to nothing.
    """
    path = os.path.normpath(path)
    if any(lies_in(folder, path) for folder in SYSTEM):
        return True
    if not os.path.exists(path):
        return True
    return os.path.isfile(path) and os.access(path, os.X_OK)
