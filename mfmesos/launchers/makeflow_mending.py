"""Mends the log of a makeflow that was killed, so that makeflow can recover from it."""
from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mfmesos.store.makeflow_log import LogState, NodeState

BACKUP = ".before-mfmesos"


@dataclass(frozen=True)
class Mending:
    """The effect of `mend`: nodes set to aborted, bytes of an incomplete line removed, and the name of the copy made
    before.
    """

    nodes: tuple[int, ...] = ()
    cut: int = 0
    backup: Path | None = None
    kind: str = ""


def mend(path: Path, now_us: int, *, foreign: bool = False) -> Mending:
    """Make the log of a killed `-T mesos` run recoverable for makeflow; a sound log is not changed.

    Running nodes are set to aborted (makeflow would try to remove jobs that it does not know, and crash), and an
    incomplete last line, which makeflow calls corrupt, is removed. Nodes in a log of another batch type are mended only
    with `foreign`; otherwise `kind` names the batch type. Raises OSError.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Mending()
    whole = data[: data.rfind(b"\n") + 1]
    log = LogState()
    for line in whole.decode(errors="surrogateescape").split("\n"):
        log.feed(line)
    running = log.in_state(NodeState.RUNNING)
    if running and not foreign and log.kind not in ("", "mesos"):
        return Mending(nodes=tuple(running), kind=log.kind)
    cut = len(data) - len(whole)
    if not running and not cut:
        return Mending()
    backup = path.with_name(path.name + BACKUP)
    shutil.copy2(path, backup)
    lines = [f"{now_us} {n} {int(NodeState.ABORTED)} {log.nodes[n].jobs[-1]} 0 0 0 0 0 0\n" for n in running]
    with path.open("r+b") as f:
        f.truncate(len(whole))
        f.seek(0, os.SEEK_END)
        f.write("".join(lines).encode())
        f.flush()
        os.fsync(f.fileno())
    return Mending(nodes=tuple(running), cut=cut, backup=backup, kind=log.kind)
