"""Describes how an attempt ended: pure."""
from __future__ import annotations

import errno
import os
import signal
import threading
from typing import Callable, Mapping

from mfmesos.shared.phrases import printable
from mfmesos.shared.plainerrors import reason

MOST_REASON = 400
MOST_WORDS = 6
"""Words of a file's name."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
TASKS_OWN = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
"""Errors of names that the task chose: the same on every agent."""
VANISHED = "the executor's folder on the agent was removed"
_PROBE = bytes(4096)


def split_status(status: int) -> tuple[int | None, int | None]:
    """Splits a wait status: exit code, or None and the signal."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def failure(exit_code: int | None, number: int | None) -> str:
    """Why a command failed; empty if it succeeded."""
    if number is not None:
        return f"killed by signal {number} ({_name(number)})"
    if not exit_code:
        return ""
    inner = exit_code - 128
    # A shell reports the end of an inner command this way.
    also = f" (killed by signal {inner}, {_name(inner)})" if 0 < inner < 65 and _name(inner) != "unknown" else ""
    return f"exit code {exit_code}{also}"


def missing_outputs(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"output{'s' if len(names) > 1 else ''} {shown} missing"


def made_instead(names: list[str], exists: Callable[[str], bool]) -> str:
    """An addition to the reason if some names are one name that was cut; empty if not."""
    for start in range(len(names)):
        for end in range(start + 2, min(start + MOST_WORDS, len(names)) + 1):
            for mark, word in ((" ", "space"), (",", "comma")):
                name = mark.join(names[start:end])
                if exists(name):
                    return (f' (the task made "{name}": a name with a {word} can\'t be written in mesos_task_info;'
                            " rename it, or use JSON lines)")
    return ""


def with_last_line(reason: str, stderr: str, stdout: str = "") -> str:
    """The reason, and the last line of stderr, otherwise of stdout, if any; one bounded line, cut in its middle."""
    lines = [line.strip() for line in (stderr if stderr.strip() else stdout).splitlines() if line.strip()]
    text = f"{reason}: {lines[-1]}" if lines else reason
    return printable(text, MOST_REASON, instead=" ")


def trouble_of(folders: tuple[str, ...]) -> str:
    """Why the executor cannot use its folders on the agent; empty if it can."""
    if not all(os.path.isdir(folder) for folder in folders):
        return VANISHED
    probe = f"{folders[0]}/.probe{threading.get_ident()}" if folders else ""
    try:
        if probe:
            fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, _PROBE)
            finally:
                os.close(fd)
                os.unlink(probe)
    except OSError as e:
        return f"the executor's folder on the agent cannot be written: {agents_reason(e)}"
    return ""


def too_large(env: Mapping[str, str]) -> str:
    """Why the system does not start a command with this environment."""
    name = max(env, key=lambda n: len(os.fsencode(env[n])), default="")
    size = sum(len(os.fsencode(n)) + len(os.fsencode(v)) + 2 for n, v in env.items())
    largest = len(os.fsencode(env.get(name, "")))
    return (f"the environment of {size >> 10} KB is too large for Linux, which takes at most 128 KB in one variable: "
            f"{name} has {largest >> 10} KB; pass it in a file")


def agents_reason(e: OSError) -> str:
    """Why the agent's system refused an operation."""
    return "the disk of the agent is full" if e.errno in DISK_FULL else reason(e)
