"""The kept sandboxes of failed attempts (--keep-failed), in .mfmesos/failed/: one tar file each.

It holds `work` (the task's working folder, as deep as its ../ need), `abs` (absolute names), `tmp` (TMPDIR), `stdout`
and `stderr`; not the task's inputs. If the largest files were left out, `left-out` lists their sizes and names.
"""
from __future__ import annotations

import re
from pathlib import Path

FOLDER = "failed"
MOST = 20
"""Sandboxes that are kept: the newest."""
LEFT_OUT = "left-out"
_NAME = re.compile(r"task-(\d+)\.attempt-(\d+)\.tar")


def name_of(task: int, attempt: int) -> str:
    return f"task-{task}.attempt-{attempt}.tar"


def of_task(state_dir: Path, task: int) -> dict[int, Path]:
    """By attempt, the earliest first."""
    folder = state_dir / FOLDER
    if not folder.is_dir():
        return {}
    found = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return dict(sorted((int(name[2]), path) for name, path in found if name is not None and int(name[1]) == task))
