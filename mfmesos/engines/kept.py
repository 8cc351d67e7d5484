"""Earlier outputs of a task that runs again: files that somebody changed are moved aside, files not made again are
removed.

Nothing outside the workflow's folder is touched, even if a link leads there.
"""
from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Iterable

from mfmesos.shared.messages import engines as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.symlinks import leads_out
from mfmesos.staging.names import KEPT, ancestors, free_name
from mfmesos.taskfiles.plan_graph import folders_above


class NotKept(Exception):
    """A changed output could not be moved aside: one line with the reason and the cure. The task must not run."""


def aside(name: str, read: Container[str]) -> str:
    """The name to keep it under: beside the file or, if a task reads a folder above it, beside that folder."""
    inside = [folder for folder in folders_above(name) if folder != "." and folder in read]
    if not inside:
        return f"{name}{KEPT}"
    return f"{inside[-1]}{KEPT}{name[len(inside[-1]):]}"


def keep(folder: str, name: str, members: Iterable[str], to: str) -> str:
    """Move it to `to`, or to the next free name; of a folder only the `members`, if given. Returns a line for the user.
    Raises NotKept.
    """
    final = free_name(to, folder)
    inside = members if os.path.isdir(f"{folder}/{name}") else ()
    try:
        for one in [f"/{member}" for member in inside] or [""]:  # other files in the folder stay
            source, target = f"{folder}/{name}{one}", f"{folder}/{final}{one}"
            if os.path.lexists(source) and not leads_out(folder, os.path.dirname(source)):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(source, target)
    except OSError as e:
        raise NotKept(m.OUTPUT_NOT_KEPT(name=printable(name), final=printable(final), why=e.strerror)) from None
    return m.OUTPUT_KEPT(name=name, final=final)


def remove_stale(folder: str, name: str, was: Iterable[str], made: Iterable[str], mine: Callable[[str], bool]) -> None:
    """Remove from the output folder `name` the files that an earlier attempt made (`was`) and this attempt did not.

    `mine` returns whether a name belongs to no other task. For a folder with very many files, `was` and `made` hold
    only its direct members.
    """
    now = frozenset(made)
    for member in was:
        full = f"{name}/{member}"
        path = f"{folder}/{full}"
        if now.intersection((member, *ancestors(member))) or leads_out(folder, os.path.dirname(path)):
            continue
        if all(map(mine, (full, *ancestors(full)))) and (os.path.islink(path) or os.path.isfile(path)):
            with contextlib.suppress(OSError):
                os.unlink(path)
