"""The framework of a run, recorded in .mfmesos/ until it is torn down: the next run resumes it, or `mfmesos clean` ends
it.
"""
from __future__ import annotations

from pathlib import Path

from mfmesos.shared import atomic
from mfmesos.shared.values import value

FILE = "framework_id"


@value(frozen=True)
class Framework:
    """The file's content, one field per line; `master` (HOST:PORT of the leader) and `engine` are empty if missing."""

    id: str
    master: str = ""
    engine: str = ""


def load(state_dir: Path) -> Framework | None:
    """The recorded framework; None if no run left one."""
    try:
        lines = (state_dir / FILE).read_text(errors="replace").split("\n")[:3]
    except OSError:
        return None
    words = [line.strip() for line in lines]
    return Framework(*words) if words[0] else None


def save(state_dir: Path, framework: Framework) -> None:
    """Write the complete file or nothing, even if the process is killed."""
    atomic.write(state_dir / FILE, f"{framework.id}\n{framework.master}\n{framework.engine}\n")


def forget(state_dir: Path) -> None:
    (state_dir / FILE).unlink(missing_ok=True)
