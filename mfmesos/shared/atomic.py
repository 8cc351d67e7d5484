"""Files that change in one step: whoever reads one finds all of the old content, or all of the new.

Durability: a process that dies at any moment, or a full disk, leaves the old file as it was. Nothing is forced to the
disk, so after a power failure the content may be the old one, the new one, or, on some file systems, empty. What has to
outlive that is kept in SQLite (mfmesos/store).

The temporary file is NAME.new beside the file. One that a killed process has left is overwritten by the next writer.
"""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator

from mfmesos.shared.disk import set_mode


@contextlib.contextmanager
def replacing(
    path: Path, *, mode: int = 0o666, exact: bool = False, several: bool = False,
) -> Iterator[Path]:
    """Gives the path of an empty temporary file, which takes the place of `path` at the end of the block. When that
    raises, or anything here does, `path` stays as it was and the temporary file is removed.

    `mode`: the file's from its creation on, less the umask; with `exact` in the end whatever the umask is, where the
    file system has modes. `several`: other processes may write the same file at the same time, so the temporary
    file has the process's number in its name. Raises OSError.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new" if several else f"{path.name}.new")
    new.unlink(missing_ok=True)  # another one's mode would stay
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    try:
        yield new
        if exact:
            set_mode(str(new), mode)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def write(
    path: Path, content: str | bytes, *, mode: int = 0o666, exact: bool = False, several: bool = False,
) -> None:
    """Replace the file, or make it. A text is written as UTF-8. For the rest see `replacing`."""
    with replacing(path, mode=mode, exact=exact, several=several) as new:
        new.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
