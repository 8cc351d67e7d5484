"""Installs the scheduler of mfmesos beside an installed makeflow, for an administrator: plain `makeflow -T mesos` then
runs it.

makeflow runs BINDIR/mf_mesos_scheduler with /usr/bin/python, an empty environment and the arguments CWD MASTER; so does
work_queue_factory. The installed script starts the Python of this installation.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from mfmesos.launchers import binaries, link_script
from mfmesos.settings.config import PEER_TRANSFERS, ConfigError
from mfmesos.shared import atomic, own_programs
from mfmesos.shared.engine_programs import PROGRAMS
from mfmesos.shared.messages import launchers as m
from mfmesos.shared.terminal import say

NAME = "mf_mesos_scheduler"
KEPT = f"{NAME}.before-mfmesos"
MARK = "# put here by `mfmesos link`; `mfmesos unlink` takes it away"


def link(
    bindir: Path, interpreter: str = sys.executable, echo: Callable[[str], None] = say, peer_transfers: bool = False,
) -> None:
    """Put the script beside the engines in `bindir`, and keep the original. A second call, with other arguments or
    after an upgrade of the engine, replaces the script, and the kept original.

    Raises ConfigError if no makeflow is found, or without the right to write.
    """
    places = folders(bindir)
    if not places:
        raise ConfigError(m.LINK_NO_MAKEFLOW(folder=bindir))
    if not os.path.isabs(interpreter):
        raise ConfigError(m.LINK_RELATIVE(interpreter=interpreter))
    for place in places:
        if place != bindir.resolve():
            echo(m.LINKED_ELSEWHERE(folder=bindir, place=place))
        command = own_programs.command(own_programs.SCHEDULER, interpreter)
        _link_in(place, script_for([*command, *([PEER_TRANSFERS] if peer_transfers else [])]))


def folders(bindir: Path) -> list[Path]:
    """The folders in which the engines in `bindir` look for their scheduler: beside their own binary, whichever
    symbolic link or wrapper script starts it.
    """
    existing = [bindir / name for name in PROGRAMS if (bindir / name).exists()]
    return list(dict.fromkeys(binaries.binary_of(path).parent for path in existing))


def _link_in(bindir: Path, script: str) -> None:
    target, kept = bindir / NAME, bindir / KEPT
    try:
        if os.path.lexists(target) and not is_ours(target):
            target.replace(kept)  # a kept original is older: makeflow was upgraded since
        atomic.write(target, script, mode=0o755, exact=True, several=True)
    except OSError as e:
        _put_back(target, kept)
        raise ConfigError(m.LINK_DENIED(folder=bindir, why=e.strerror)) from None


def script_for(command: list[str]) -> str:
    """The text of the script beside makeflow, which starts that command and knows its messages."""
    text = Path(link_script.__file__).read_text()
    values = {
        "interpreter": ascii(command[0]), "arguments": ascii(command[1:]), "ENDED": ascii(m.LINK_SIGNALLED()),
        "KILLED": ascii(m.LINK_KILLED(signal="%d")), "BROKEN": ascii(m.LINK_BROKEN(why="%s")),
        "NO_PYTHON": ascii(m.LINK_NO_PYTHON(interpreter="%s", why="%s")), "EXIT": ascii(m.PROCESS_EXIT_CODE(code="%d"))}
    lines = [f"{name} = {values.pop(name)}" if (name := line.partition(" = ")[0]) in values else line
             for line in text.splitlines()]
    return "\n".join(["#!/usr/bin/python", MARK, *lines, ""])


def unlink(bindir: Path, echo: Callable[[str], None] = say) -> None:
    """Remove the script and restore the original; a no-op if the script is not installed. After an upgrade of the
    engine, which brought a newer original, the kept original is deleted.

    Raises ConfigError if the scheduler there is not from mfmesos, or without the right to write.
    """
    places = list(dict.fromkeys([*folders(bindir), bindir.resolve()]))
    ours = [place for place in places if is_ours(place / NAME) or os.path.lexists(place / KEPT)]
    other = next((place / NAME for place in places if os.path.lexists(place / NAME)), None)
    if not ours and other is not None:
        raise ConfigError(m.LINK_FOREIGN(path=other))
    for place in ours:
        if place != bindir.resolve():
            echo(m.UNLINKED_ELSEWHERE(folder=bindir, place=place))
        try:
            _unlink_in(place / NAME, place / KEPT)
        except OSError as e:
            raise ConfigError(m.LINK_DENIED(folder=place, why=e.strerror)) from None


def _unlink_in(target: Path, kept: Path) -> None:
    if not os.path.lexists(kept):
        target.unlink()
    elif os.path.lexists(target) and not is_ours(target):
        kept.unlink()
    else:
        kept.replace(target)


def status(bindir: Path) -> str:
    """"linked", "original" or "none": which scheduler a makeflow in `bindir` would start."""
    target = next(iter(folders(bindir)), bindir) / NAME
    if not os.path.lexists(target):
        return "none"
    return "linked" if is_ours(target) else "original"


def is_ours(path: Path) -> bool:
    try:
        return MARK in path.read_bytes()[:4096].decode(errors="replace").splitlines()
    except OSError:
        return False


def _put_back(target: Path, kept: Path) -> None:
    """After a failure in between: rename the original back."""
    if os.path.lexists(kept) and not os.path.lexists(target):
        try:
            kept.rename(target)
        except OSError:
            return
