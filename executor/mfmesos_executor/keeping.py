"""Outputs that stay in the claim's cache after their attempt, for the attempts that read them."""
from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import Mapping

from mfmesos.shared.kept_files import Kept, is_digest
from mfmesos.shared.wire import INLINE_OUTPUTS_BYTES, Input, Run
from mfmesos_executor.cache import Cache
from mfmesos_executor.outputs import Member
from mfmesos_executor.sandbox import normal

LEAST_BYTES = INLINE_OUTPUTS_BYTES
"""A smaller output is fetched again as quickly."""


def keep(cache: Cache, run: Run, members: list[Member], digests: Mapping[str, str]) -> list[Kept]:
    """Move the delivered outputs that later attempts read into the cache, while there is room. `digests`: by output, as
    an input. All processes of the attempt must be dead.
    """
    found = []
    for name, inside in _by_root(members, digests.keys() & {normal(run.workdir, name) for name in run.keep}).items():
        size = sum(member.size for member in inside)
        with contextlib.suppress(OSError):  # without it, later attempts fetch their input
            if size >= LEAST_BYTES and _unchanged(name, inside) and _take(cache, name, digests[name], size, inside):
                found.append(Kept(name, digests[name], size))
    return found


def stated(answer: bytes) -> dict[str, str]:
    """The digests in the scheduler's answer to a delivery."""
    try:
        found = json.loads(answer or b"{}")
    except ValueError:
        return {}
    return {k: v for k, v in found.items() if is_digest(v)} if isinstance(found, dict) else {}


def _by_root(members: list[Member], roots: set[str]) -> dict[str, list[Member]]:
    """The members of each of these outputs; a folder's own member is its last."""
    found: dict[str, list[Member]] = {}
    for member in members if roots else ():
        ends = [i for i, c in enumerate(member.name) if c == "/"]
        root = next((name for name in (*(member.name[:i] for i in ends), member.name) if name in roots), None)
        if root is not None:
            found.setdefault(root, []).append(member)
    return found


def _unchanged(name: str, inside: list[Member]) -> bool:
    """Whether its files are as they were sent, have no second name, and lie where they seem to lie."""
    base = inside[-1].path
    for member in inside:
        now = os.lstat(member.path)
        right = stat.S_ISDIR(now.st_mode) if member.is_dir else stat.S_ISREG(now.st_mode) and now.st_nlink == 1
        same = (now.st_mtime_ns, now.st_mode & 0o777) == (member.mtime_ns, member.mode)
        if not right or not same or member.path != base + member.name[len(name):]:
            return False
        if not member.is_dir and now.st_size != member.size:
            return False
    return True


def _take(cache: Cache, name: str, digest: str, size: int, inside: list[Member]) -> bool:
    for member in inside:
        mode = member.mode | (0o700 if member.is_dir else 0o400)  # as the scheduler publishes them
        if mode != member.mode or os.lstat(member.path).st_mode & 0o7000:
            os.chmod(member.path, mode)
    top = inside[-1]
    kind = "dir" if top.is_dir else "file"
    return cache.keep(Input(name, digest, size, top.mode | 0o400, kind, mtime_ns=top.mtime_ns), top.path)
