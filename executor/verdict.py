"""How an attempt ended, in words: pure."""
from __future__ import annotations

import errno
import os
import signal

MOST_REASON = 400
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def split_status(status: int) -> tuple[int | None, int | None]:
    """Of a wait status: exit code, or None and the signal."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def failure(exit_code: int | None, number: int | None) -> str:
    """Why a command failed; empty when it did not."""
    if number is not None:
        return f"killed by signal {number} ({_name(number)})"
    if not exit_code:
        return ""
    inner = exit_code - 128
    # A shell reports so how a command in it ended.
    also = f" (killed by signal {inner}, {_name(inner)})" if 0 < inner < 65 and _name(inner) != "unknown" else ""
    return f"exit code {exit_code}{also}"


def missing_outputs(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"output{'s' if len(names) > 1 else ''} {shown} missing"


def with_last_line(reason: str, stderr: str) -> str:
    """The reason, and the last line of stderr where there is one; one bounded line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    text = f"{reason}: {lines[-1]}" if lines else reason
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= MOST_REASON else text[:MOST_REASON - 3] + "..."


def plain_os_error(e: OSError) -> str:
    """What the agent's system refused."""
    if e.errno in DISK_FULL:
        return "the disk of the agent is full"
    return f"{os.strerror(e.errno) if e.errno else e}"
