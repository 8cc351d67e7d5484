"""Our scheduler beside an installed makeflow, for an administrator: plain `makeflow -T mesos` then runs it.

makeflow runs BINDIR/mf_mesos_scheduler with /usr/bin/python, an empty environment and the arguments CWD MASTER;
so does work_queue_factory. The script that is put there passes on to the Python of this installation.
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

from mfmesos import start
from mfmesos.config import ConfigError
from mfmesos.workflow import link_script

NAME = "mf_mesos_scheduler"
KEPT = f"{NAME}.before-mfmesos"
MARK = "# put here by `mfmesos link`; `mfmesos unlink` takes it away"
ENGINES = ("makeflow", "work_queue_factory")



def link(bindir: Path, interpreter: str = sys.executable) -> None:
    """Put our scheduler into `bindir`, keeping what was there; again with another interpreter: replaces our own.

    Raises ConfigError when there is no makeflow, or no right to write.
    """
    if not any((bindir / name).exists() for name in ENGINES):
        raise ConfigError(f"{bindir}: no makeflow there; name the folder in which `which makeflow` finds it")
    if not os.path.isabs(interpreter):
        raise ConfigError(f"{interpreter}: the interpreter must be given by its whole path")
    target, kept = bindir / NAME, bindir / KEPT
    script = script_for(start.command(start.SCHEDULER, interpreter))
    try:
        if os.path.lexists(target) and not is_ours(target):
            if os.path.lexists(kept):
                raise ConfigError(f"{kept} is there already and {target} is not ours; move one of them away")
            target.rename(kept)
        temporary = bindir / f".{NAME}.{os.getpid()}"
        try:
            temporary.write_text(script)
            temporary.chmod(0o755)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as e:
        _put_back(target, kept)
        raise ConfigError(f"{bindir}: {e.strerror}: run this as the owner of that folder (sudo?)") from None


def script_for(command: list[str]) -> str:
    """The text of our scheduler beside makeflow, which starts that command."""
    text = Path(link_script.__file__).read_text()
    values = {"interpreter": ascii(command[0]), "arguments": ascii(command[1:])}
    lines = [f"{name} = {values.pop(name)}" if (name := line.partition(" = ")[0]) in values else line
             for line in text.splitlines()]
    return "\n".join(["#!/usr/bin/python", MARK, *lines, ""])


def unlink(bindir: Path) -> None:
    """Take our scheduler away and put the original back; nothing to do when it was not there.

    Raises ConfigError when what is there is not ours, or there is no right to write.
    """
    target, kept = bindir / NAME, bindir / KEPT
    if not os.path.lexists(target) and not os.path.lexists(kept):
        return
    if os.path.lexists(target) and not is_ours(target):
        if not os.path.lexists(kept):
            raise ConfigError(f"{target} is not ours, and left as it is")
        raise ConfigError(f"{target} is not ours (a newer makeflow?), and left as it is; {kept} is the old one")
    try:
        if os.path.lexists(kept):
            kept.replace(target)
        else:
            target.unlink()
    except OSError as e:
        raise ConfigError(f"{bindir}: {e.strerror}: run this as the owner of that folder (sudo?)") from None


def status(bindir: Path) -> str:
    """"linked", "original" or "none": which scheduler a makeflow in `bindir` would start."""
    target = bindir / NAME
    if not os.path.lexists(target):
        return "none"
    return "linked" if is_ours(target) else "original"


def is_ours(path: Path) -> bool:
    try:
        return MARK in path.read_bytes()[:4096].decode(errors="replace").splitlines()
    except OSError:
        return False


def _put_back(target: Path, kept: Path) -> None:
    """After a failure half-way: the original under its own name again."""
    if os.path.lexists(kept) and not os.path.lexists(target):
        try:
            kept.rename(target)
        except OSError:
            return
