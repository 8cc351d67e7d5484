"""Errors of the operating system as users read them: the file, the reason, the cure; never a bare number.

`plain` is a line by itself; `reason` is for a sentence that names the file; `words` is for one about an output, where
the system's own words mislead ("No space left on device").
"""
from __future__ import annotations

import errno
import os
import re

_CURES = {
    errno.EACCES: "see that it is yours to use", errno.EPERM: "see that it is yours to use",
    errno.ENOENT: "see that the name is right", errno.ENOTDIR: "see that the name is right",
    errno.EISDIR: "name a file, not a folder", errno.ELOOP: "a symbolic link leads round in a circle",
    errno.ENAMETOOLONG: "choose a shorter name", errno.ENOSPC: "make room", errno.EDQUOT: "make room",
    errno.EROFS: "use another folder", errno.EMFILE: "raise ulimit -n", errno.ENFILE: "try again later",
    errno.EADDRINUSE: "choose another port", errno.EADDRNOTAVAIL: "name an address of this machine",
    errno.ESTALE: "the file server has lost it: go to the folder again", errno.EIO: "see the kernel's log: dmesg",
}
_WORDS = {
    errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up", errno.EACCES: "permission is denied",
    errno.EPERM: "it is not permitted", errno.EROFS: "the file system is read-only", errno.EIO: "the disk failed",
    errno.EMFILE: "too many files are open (see ulimit -n)", errno.ENFILE: "too many files are open on this machine",
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
