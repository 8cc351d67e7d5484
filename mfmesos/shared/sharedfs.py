"""Shared folders (--shared-fs): what lies below them is used in place on agents that have them, and never staged.

Used on both sides and travels to the agents: standard library only, Python 3.8 or newer. Nothing here touches a file.
"""
from __future__ import annotations

import os
import re
from typing import Iterable

from mfmesos.shared.symlinks import lies_in

MARKER = ".mfmesos-shared-"
"""The beginning of the names of markers: a file in each shared folder, by which executors recognise it."""


def path_of(workdir: str, name: str) -> str:
    """The path of that name in the workflow's folder, without detours; no link is followed."""
    return os.path.normpath(os.path.join(workdir, name))


def folder_of(folders: Iterable[str], path: str) -> str:
    """The shared folder that the path lies in; empty if none."""
    return next((folder for folder in folders if path != folder and lies_in(folder, path)), "")


def used_by(folders: Iterable[str], workdir: str, words: str, names: Iterable[str]) -> tuple[str, ...]:
    """The shared folders that a task uses: one of its files lies there, or `words`, its command and variables, name the
    folder.
    """
    paths = [path_of(workdir, name) for name in names]
    return tuple(folder for folder in folders if any(lies_in(folder, path) for path in paths) or (
        folder in words and re.search(rf"{re.escape(folder)}(?![\w.-])", words)))


def placed_stem(workdir: str, attempt: str) -> str:
    """Where an executor puts the outputs of an attempt if the workflow's folder is shared: the number of each root,
    with a full stop before it, is added (see staging.received).
    """
    return f"{workdir}/.mfmesos/incoming/{attempt}-0"
