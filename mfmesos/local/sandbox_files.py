"""/files of an agent: the content of its sandboxes, and nothing else."""
from __future__ import annotations

import grp
import pwd
import stat
from pathlib import Path

from mfmesos.allocation.amounts import Json
from mfmesos.local.agent import Agent

MAX_READ = 16 * 1024 * 4


def resolve(agent: Agent, path: str) -> Path | None:
    """The file that an absolute path inside a sandbox of this agent names, or None. Symlinks that lead out are not
    followed.
    """
    frameworks = [*agent.frameworks.values(), *agent.completed_frameworks]
    try:
        wanted = Path(path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    for framework in frameworks:
        for executor in (*framework.executors.values(), *framework.completed):
            sandbox = executor.container.sandbox.resolve()
            if wanted == sandbox or sandbox in wanted.parents:
                return wanted
    return None


def entry(path: Path) -> Json:
    """One entry of /files/browse."""
    info = path.lstat()
    return {"gid": _name(grp.getgrgid, info.st_gid), "mode": stat.filemode(info.st_mode), "mtime": info.st_mtime,
            "nlink": info.st_nlink, "path": str(path), "size": info.st_size, "uid": _name(pwd.getpwuid, info.st_uid)}


def _name(lookup: object, number: int) -> str:
    try:
        return str(lookup(number)[0])  # type: ignore[operator]
    except KeyError:
        return str(number)


def read(path: Path, offset: int, length: int) -> Json:
    """/files/read: a piece of a file; offset -1 returns the size."""
    if offset == -1:
        return {"data": "", "offset": path.stat().st_size}
    with open(path, "rb") as file:
        file.seek(offset)
        data = file.read(MAX_READ if length < 0 else min(length, MAX_READ))
    return {"data": data.decode(errors="replace"), "offset": offset}
