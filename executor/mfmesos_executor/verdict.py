"""Describes how an attempt ended, or why it did not start."""
from __future__ import annotations

import errno
import os
import re
import signal
import threading
from typing import Callable, Mapping

from mfmesos.shared.messages import executor as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.plainerrors import reason
from mfmesos.shared.webrequest import Hope, WebError
from mfmesos.shared.wire import BROKEN, FAILED, KILLED, Result, Run
from mfmesos_executor.client import Cancelled, Refused, Unreachable
from mfmesos_executor.gpus import Busy
from mfmesos_executor.sandbox import BadName
from mfmesos_executor.shared_folders import NotReady
from mfmesos_executor.unpack import BadStream

MOST_REASON = 400
MOST_WORDS = 6
"""Words of a file's name."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
TASKS_OWN = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
"""Errors of names that the task chose: the same on every agent."""
CONFLICT = 409
"""Of HTTP: the input has changed since the task was submitted."""
VANISHED = m.EXECUTOR_FOLDER_GONE()
_PROBE = bytes(4096)
_FULL_BYTES = 64 << 20
"""A disk with less free space than this may have been full a moment ago."""
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
_BUSY = re.compile(r"Text file busy")


def not_started(attempt: str, name: str, e: Exception, trouble: Callable[[], str]) -> Result:
    """The result of an attempt that could not start; `name`: of the input that was being placed, or empty. `trouble()`:
    what is wrong with the executor's folders. Raises `e` if it is an error of the executor itself.
    """
    if isinstance(e, Cancelled):
        return Result(attempt, KILLED, m.KILLED_BEFORE_START())
    if isinstance(e, BadName):
        return _hopeless(attempt, str(e))
    if isinstance(e, (Unreachable, Refused, BadStream)):
        return Result(attempt, BROKEN, m.INPUT_NOT_FETCHED(name=name, why=e),
                      final=isinstance(e, Refused) and e.status == CONFLICT)
    if isinstance(e, (WebError, NotReady)):
        return _outside(attempt, name, e)
    if isinstance(e, Busy):
        return e.result(attempt)
    if isinstance(e, OSError):
        why = agents_reason(e)
        text = m.INPUT_NOT_IN_PLACE(name=name, why=why) if name else m.NOT_STARTED(why=why)
        return _hopeless(attempt, text) if e.errno in TASKS_OWN else Result(attempt, BROKEN, trouble() or text)
    raise e


def _outside(attempt: str, name: str, e: WebError | NotReady) -> Result:
    """The result of an attempt whose input `name` is not to be had here, for a reason that may lie outside of the
    cluster.
    """
    if isinstance(e, NotReady):
        return Result(attempt, BROKEN, str(e), outside=not e.folder, lacks=e.folder)
    return Result(attempt, BROKEN, m.INPUT_NOT_FETCHED(name=name, why=e), outside=True, final=e.hope is Hope.NOWHERE)


def _hopeless(attempt: str, text: str) -> Result:
    """No agent could run it."""
    return Result(attempt, FAILED, text, final=True)


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
        return m.KILLED_BY_SIGNAL(number=number, name=_name(number))
    if not exit_code:
        return ""
    inner = exit_code - 128
    # A shell reports the end of an inner command this way.
    if 0 < inner < 65 and _name(inner) != "unknown":
        return m.EXIT_CODE_OF_SIGNAL(code=exit_code, number=inner, name=_name(inner))
    return m.EXIT_CODE(code=exit_code)


def missing_outputs(names: list[str], instead: str) -> str:
    """`instead`: what was made in place of them (`made_instead`), or empty."""
    shown, also = ", ".join(names[:5]), f" {instead}" if instead else ""
    if len(names) == 1:
        return m.OUTPUT_NOT_MADE(name=shown, instead=also)
    if len(names) > 5:
        shown = m.AND_MORE_NAMES(names=shown, others=len(names) - 5)
    return m.OUTPUTS_NOT_MADE(names=shown, instead=also)


def made_instead(names: list[str], exists: Callable[[str], bool]) -> str:
    """An addition to the reason if some names are one name that was cut; empty if not."""
    for start in range(len(names)):
        for end in range(start + 2, min(start + MOST_WORDS, len(names)) + 1):
            for mark, word in ((" ", "space"), (",", "comma")):
                name = mark.join(names[start:end])
                if exists(name):
                    return m.NAME_CAME_APART(name=name, word=word)
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
        return m.EXECUTOR_FOLDER_READ_ONLY(why=agents_reason(e))
    return ""


def disk_was_full(folder: str, stderr: str) -> bool:
    """On a full disk, the message about it may not be written, either. Raises OSError."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    return free < _FULL_BYTES and (free < _FULL_BYTES >> 6 or bool(_NO_SPACE.search(stderr)))


def busy_program(run: Run, stderr: str) -> str:
    """The program among its inputs that a failed attempt could not write to since another attempt runs it, or empty."""
    if run.copies or not _BUSY.search(stderr):
        return ""
    return next((item.name for item in run.inputs if item.mode & 0o111), "")


def too_large(env: Mapping[str, str]) -> str:
    """Why the system does not start a command with this environment."""
    name = max(env, key=lambda n: len(os.fsencode(env[n])), default="")
    size = sum(len(os.fsencode(n)) + len(os.fsencode(v)) + 2 for n, v in env.items())
    largest = len(os.fsencode(env.get(name, "")))
    return m.ENVIRONMENT_TOO_LARGE(size=size >> 10, name=name, largest=largest >> 10)


def agents_reason(e: OSError) -> str:
    """Why the agent's system refused an operation."""
    return m.AGENTS_DISK_FULL() if e.errno in DISK_FULL else reason(e)
