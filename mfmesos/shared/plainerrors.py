"""Errors of the operating system as users read them: the file, the reason, the cure; never a bare number.

`plain` is a line by itself; `reason` is for a sentence that names the file; `words` is for one about an output, where
the system's own words mislead ("No space left on device").
"""
from __future__ import annotations

import errno
import os
import re

from mfmesos.shared.messages import shared as m

_CURES = {
    errno.EACCES: m.CHECK_RIGHTS(), errno.EPERM: m.CHECK_RIGHTS(),
    errno.ENOENT: m.CHECK_NAME(), errno.ENOTDIR: m.CHECK_NAME(),
    errno.EISDIR: m.NAME_A_FILE(), errno.ELOOP: m.LINK_LOOP(),
    errno.ENAMETOOLONG: m.SHORTER_NAME(), errno.ENOSPC: m.FREE_SPACE(), errno.EDQUOT: m.FREE_SPACE(),
    errno.EROFS: m.OTHER_FOLDER(), errno.EMFILE: m.RAISE_ULIMIT(), errno.ENFILE: m.TRY_LATER(),
    errno.EADDRINUSE: m.OTHER_PORT(), errno.EADDRNOTAVAIL: m.OWN_ADDRESS(),
    errno.ESTALE: m.STALE_FILE(), errno.EIO: m.SEE_DMESG(),
}
_WORDS = {
    errno.ENOSPC: m.DISK_IS_FULL(), errno.EDQUOT: m.QUOTA_USED_UP(), errno.EACCES: m.PERMISSION_DENIED(),
    errno.EPERM: m.NOT_PERMITTED(), errno.EROFS: m.READ_ONLY(), errno.EIO: m.DISK_FAILED(),
    errno.EMFILE: m.MANY_OPEN_FILES(), errno.ENFILE: m.MANY_OPEN_FILES_HERE(),
}
"""Of errors of the machine, for sentences that are about an output."""
_NUMBER = re.compile(r"\[Errno -?\d+\] ?")


def plain(error: BaseException, *, cure: bool = True) -> str:
    """One line. Errors that are not of the operating system are left in their own words."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    text = reason(error)
    names = [os.fspath(name) for name in (error.filename, error.filename2) if isinstance(name, (str, os.PathLike))]
    if names:
        text = f"{' and '.join(names)}: {text}"
    remedy = _CURES.get(error.errno or 0, "") if cure else ""
    return f"{text} ({remedy})" if remedy else text


def words(error: OSError) -> str:
    """What went wrong, to follow a sentence that names the file and what was done with it."""
    return _WORDS.get(error.errno or 0) or os.strerror(error.errno or 0)


def reason(error: BaseException) -> str:
    """What the system or a library reports, in one line without a number or a file's name."""
    text = getattr(error, "strerror", None) or _NUMBER.sub("", str(error))
    return " ".join(str(text).split()) or type(error).__name__
