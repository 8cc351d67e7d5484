"""Names of inputs and outputs: which are valid, and where they lie in the workflow's folder."""
from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mfmesos.shared.messages import staging as m
from mfmesos.shared.symlinks import name_in
from mfmesos.shared.values import value
from mfmesos.staging.tarstream import shown

RESERVED = (".mfmesos", "mesos_task_info", "mesos_task_state", "mesos_done")
"""Files of the protocol and mfmesos's own folder: an output under such a name would break the run."""
KEPT = ".before-rerun"
"""Suffix for a file that a task's output replaces, and that is kept."""
_ATTEMPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}\Z")


class NameRefused(ValueError):
    """A name that is invalid for an output; the text is the reason, in one plain line."""


@value(frozen=True)
class OutputPlan:
    """The declared outputs of an attempt, normalised and relative to the workflow's folder.

    `roots` are the outputs that lie in no other output: each is delivered and published as a whole.
    """

    names: tuple[str, ...]
    roots: tuple[str, ...]


def relative(workdir: Path, name: str) -> str:
    """`name` without detours (./, //, a/../b), and relative if it lies in the folder; it may begin with ../"""
    if not os.path.isabs(name):
        return os.path.normpath(name)
    path = os.path.normpath(name)
    for base in {str(workdir), os.path.realpath(workdir)}:
        found = name_in(base, path)
        if found is not None:
            return found
    return "/" + path.lstrip("/")


def output_name(workdir: Path, name: str) -> str:
    """The normalised name of a declared output; raises NameRefused."""
    if not name or not name.strip() or "\0" in name:
        raise NameRefused(m.OUTPUT_NOT_A_NAME(name=name))
    found = relative(workdir, name)
    if found == "." or lies_outside(found):
        raise NameRefused(m.OUTPUT_OUTSIDE(name=shown(name), workdir=workdir))
    check_own(found, (), name)
    return found


def lies_outside(name: str) -> bool:
    """Whether a normalised name, taken literally, lies outside the workflow's folder."""
    return name == ".." or name.startswith("../") or os.path.isabs(name)


def real_name(workdir: Path | str, name: str) -> str:
    """The output's name in the folder after all links above it, but not the output itself, are followed."""
    folder, last = os.path.split(f"{workdir}/{name}")
    return os.path.relpath(f"{os.path.realpath(folder)}/{last}", os.path.realpath(workdir))


def check_own(name: str, own_files: Iterable[str], written: str = "") -> None:
    """Raises NameRefused if that (normalised) output is a file of the run itself, or in `own_files`."""
    what = shown(written or name)
    if name.split("/", 1)[0] in RESERVED:
        raise NameRefused(m.OUTPUT_RESERVED(name=what))
    if name in own_files:
        raise NameRefused(m.OUTPUT_OWN_FILE(name=what))


def plan_outputs(workdir: Path, outputs: Sequence[str]) -> OutputPlan:
    """Raises NameRefused for the first invalid output."""
    if len(outputs) == 1:
        only = (output_name(workdir, outputs[0]),)
        return OutputPlan(only, only)
    names = tuple(dict.fromkeys(output_name(workdir, name) for name in outputs))
    unique = set(names)
    roots = tuple(n for n in names if not any(parent in unique for parent in ancestors(n)))
    return OutputPlan(names, roots)


def ancestors(name: str) -> list[str]:
    """The folders above a relative name: a/b/c gives a, a/b."""
    parts = name.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def free_name(name: str, folder: str) -> str:
    """`name`, if necessary with a number, such that nothing in the folder has that name."""
    number, free = 1, name
    while os.path.lexists(os.path.join(folder, free)):
        number += 1
        free = f"{name}.{number}"
    return free


def check_attempt(attempt_id: str) -> str:
    """An attempt's id is part of a path; raises ValueError for an invalid id."""
    if not _ATTEMPT.match(attempt_id) or ".." in attempt_id:
        raise ValueError(m.BAD_ATTEMPT_ID(id=attempt_id))
    return attempt_id
