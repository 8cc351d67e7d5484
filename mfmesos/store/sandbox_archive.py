"""Unpacks the kept sandbox of a failed attempt; what is in it is the task's and not trusted."""
from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from pathlib import Path

from mfmesos.shared.disk import remove_tree


def unpack(archive: Path, target: Path) -> None:
    """Into the new folder `target`: files, folders and, when all else is there, links, so that nothing is written
    through one. Raises OSError; the folder is then removed, unless it existed (FileExistsError).
    """
    target.mkdir(mode=0o700)
    try:
        with tarfile.open(archive, "r:") as tar:
            links = [member for member in tar if _is_inside(member.name) and not _unpacked(tar, member, target)]
        for member in links:
            with contextlib.suppress(FileExistsError):
                os.symlink(member.linkname, target / member.name)
    except tarfile.TarError as e:
        remove_tree(str(target))
        raise OSError(0, str(e)) from None
    except OSError:
        remove_tree(str(target))
        raise


def _is_inside(name: str) -> bool:
    return bool(name) and not {"", ".", ".."}.intersection(name.split("/"))


def _unpacked(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> bool:
    """False for a link, whose folder is made."""
    path = target / member.name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member) if member.isreg() else None
    if content is not None:
        mode = member.mode & 0o777 | 0o600
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with content, os.fdopen(fd, "wb") as f:
            shutil.copyfileobj(content, f)
        os.utime(path, (member.mtime, member.mtime))
    return not member.issym()
