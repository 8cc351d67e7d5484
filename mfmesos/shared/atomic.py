"""Files that change in one step: a reader finds either the complete old content or the complete new content.

Durability: if the process dies at any moment, or the disk is full, the old file stays. Nothing is forced to the disk,
so after a power failure the content may be old, new, or, on some file systems, empty. Data that must survive a power
failure is kept in SQLite (mfmesos/store).

The temporary file is NAME.new beside the file. The next writer overwrites the temporary file of a killed process.
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
    """Yields the path of an empty temporary file, which replaces `path` at the end of the block. If the block or this
    function raises, `path` stays unchanged and the temporary file is removed.

    `mode`: the mode of the file from its creation, less the umask; with `exact` the final mode ignores the umask, if
    the file system has modes. `several`: other processes may write the same file at the same time, so the temporary
    file's name contains the process id. Raises OSError.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new" if several else f"{path.name}.new")
    new.unlink(missing_ok=True)  # a leftover has another mode
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
    """Replace or create the file. Text is written as UTF-8. See `replacing` for the parameters."""
    with replacing(path, mode=mode, exact=exact, several=several) as new:
        new.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
