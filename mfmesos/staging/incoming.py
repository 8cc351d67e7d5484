"""Receives outputs: unpacks declared outputs, and nothing else, under temporary names."""
from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import posixpath
import stat
import threading
from dataclasses import replace

from mfmesos.shared.disk import set_mode, set_times, umask
from mfmesos.shared.messages import streams as m
from mfmesos.shared.symlinks import lies_in, may_lead_to
from mfmesos.shared.wire import MAX_DEPTH
from mfmesos.staging.names import RESERVED, OutputPlan, ancestors, lies_outside
from mfmesos.staging.received import Hashed, Received
from mfmesos.staging.tarstream import BadTar, Member, TarReader, shown


class LeadsOut(BadTar):
    """An output has a symbolic link that leads out of the workflow's folder: the task's own fault."""


class MemberNames:
    """Finds the output of each member of a stream by the names alone; records which declared outputs have arrived."""

    def __init__(self, plan: OutputPlan) -> None:
        self._plan = plan
        self._index = {root: i for i, root in enumerate(plan.roots)}
        self._declared = frozenset(plan.names)
        self._above = {folder for root in plan.roots for folder in ancestors(root)}
        self._seen: set[str] = set()
        """Declared names only: a stream may hold any number of other names."""

    def is_root(self, name: str) -> bool:
        return name in self._index

    def is_above(self, name: str) -> bool:
        """Whether the name is a folder above an output, but no output itself."""
        return name in self._above

    def locate(self, name: str) -> tuple[int, str]:
        """The index of the root that is or contains the member, and the member's name in that root, empty for the root
        itself. Raises BadTar if no output has such a member.
        """
        index = self._index.get(name)
        if index is not None:
            return index, ""
        parts = name.split("/")
        if "" in parts or "." in parts or ".." in parts:
            raise BadTar(m.MEMBER_OUTSIDE(name=shown(name)))
        if len(parts) > MAX_DEPTH:
            raise BadTar(m.MEMBER_TOO_DEEP(name=shown(name), most=MAX_DEPTH))
        for folder in ancestors(name):
            index = self._index.get(folder)
            if index is not None:
                return index, name[len(folder) + 1:]
        raise BadTar(m.MEMBER_UNDECLARED(name=shown(name)))

    def note(self, name: str, index: int) -> bool:
        """The member, which belongs to the root `index`, has arrived. Returns whether a declared member had arrived
        before.
        """
        before = name in self._seen
        if name in self._declared:
            self._seen.add(name)
        self._seen.add(self._plan.roots[index])
        return before

    def may_come_twice(self, name: str) -> bool:
        """Whether it is declared itself and lies in a declared folder: it may be sent for both."""
        return name in self._declared and name not in self._index

    def missing(self) -> str | None:
        """The first declared output of which nothing has arrived."""
        return next((name for name in self._plan.names if name not in self._seen), None)


class Unpacker:
    """Takes a tar stream in pieces (blocking: for a worker thread) and unpacks it to the paths of a `Received`.

    A member's name is a declared output, or lies in a declared output that is a folder. `feed` and `finish` raise
    BadTar for an invalid stream, and OSError for this machine's disk; call `abort` afterwards to remove everything.
    Nothing is ever created or written through a link in the stream. `hashing`: files without holes are hashed as they
    arrive.
    """

    def __init__(self, stem: str, plan: OutputPlan, partial: bool = False, hashing: bool = False) -> None:
        self._received = Received(stem, plan, partial=partial)
        self._hashing = hashing
        self._hashed: dict[str, Hashed] = {}
        self._names = MemberNames(plan)
        self._file: _File | None = None
        self._parent = ""
        """The last folder that was made or checked: neither it nor a folder above it is a link."""
        self._links = self._folders = False
        self._reader = TarReader(self)
        self._lock = threading.Lock()
        self._aborted = False

    def feed(self, data: bytes | bytearray) -> None:
        with self._lock:
            if self._aborted:
                raise BadTar(m.RECEIVING_ENDED())
            self._reader.feed(data)

    def finish(self) -> Received:
        """The stream is complete; checks that nothing is missing."""
        with self._lock:
            self._reader.finish()
            missing = self._names.missing()
            if missing is not None and not self._received.partial:
                raise BadTar(m.MEMBER_MISSING(name=missing))
            if not (self._folders or self._hashed):
                return self._received
            return replace(self._received, links=self._links, folders=self._folders, hashed=self._hashed)

    def abort(self) -> None:
        """Give up and remove everything; waits for a `feed` in another thread."""
        with self._lock:
            self._aborted = True
            if self._file is not None:
                self._file.close()
            self._received.discard()

    # --- sink of the tar reader -----------------------------------------------------------------
    def begin(self, member: Member) -> None:
        """Create the file, folder or link."""
        try:
            path = self._path(member)
            if path is None:
                return
            if member.is_dir:
                _make_dir(path, member)
            elif member.target:
                os.symlink(self._target(member), path)
                self._links = True
            else:
                self._file = _File(path, member, self._hashing)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise BadTar(m.MEMBER_TWO_KINDS(name=shown(member.name))) from None
        except OSError as e:
            if e.errno == errno.ENAMETOOLONG:
                raise BadTar(m.MEMBER_NAME_TOO_LONG(name=shown(member.name))) from None
            raise

    def data(self, data: memoryview) -> None:
        """Write all of it."""
        assert self._file is not None
        self._file.write(data)

    def end(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            hashed = file.finish()
            if hashed is not None:
                self._hashed[file.path] = hashed

    # --------------------------------------------------------------------------------------------
    def _target(self, member: Member) -> str:
        """The target of a link; raises BadTar for an invalid one. The target need not have arrived, nor exist."""
        if self._names.is_root(member.name):
            raise BadTar(m.MEMBER_LINK_ITSELF(name=shown(member.name)))
        out = LeadsOut(m.MEMBER_LINK_OUTSIDE(name=shown(member.name), target=shown(member.target)))
        if member.target.startswith("/"):
            if not may_lead_to(member.target):
                raise out
            return member.target
        leads_to = posixpath.normpath(f"{posixpath.dirname(member.name)}/{member.target}")
        if lies_outside(leads_to) or leads_to.split("/", 1)[0] in RESERVED:
            raise out
        return member.target

    def _path(self, member: Member) -> str | None:
        """The member's path; None for a folder above an output, which is not created here."""
        name = member.name
        if member.is_dir and self._names.is_above(name):
            return None
        index, rest = self._names.locate(name)
        again = self._names.note(name, index)
        path = self._received.path(index)
        if rest or member.is_dir:
            self._folders = True
        if rest:
            self._make_parents(path, rest.split("/")[:-1])
            path = f"{path}/{rest}"
        if again and not member.is_dir:
            if not self._names.may_come_twice(name):
                raise BadTar(m.MEMBER_TWICE(name=shown(name)))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return path

    def _make_parents(self, path: str, parts: list[str]) -> None:
        """Create the root `path` and the folders `parts` in it. Raises NotADirectoryError for a file or a link
        there.
        """
        for part in ("", *parts):
            path = f"{path}/{part}" if part else path
            if lies_in(path, self._parent):
                continue
            try:
                os.mkdir(path)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    raise NotADirectoryError from None
        self._parent = path


class _File:
    """One file while its content arrives."""

    def __init__(self, path: str, member: Member, hashing: bool) -> None:
        self.path = path
        self._total = hashlib.sha256() if hashing and member.pieces is None else None
        mode = member.mode | 0o400
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        self._size = member.size
        self._mtime_ns = member.mtime_ns
        self._sparse = member.pieces is not None
        self._pieces = list(member.pieces or ())[::-1]
        if mode & umask():
            set_mode(self._fd, mode)

    def write(self, data: memoryview) -> None:
        if self._total is not None:
            self._total.update(data)
        while data:
            if not self._sparse:
                data = data[os.write(self._fd, data):]
                continue
            start, length = self._pieces.pop()
            done = os.pwrite(self._fd, data[:length], start)
            if done < length:
                self._pieces.append((start + done, length - done))
            data = data[done:]

    def finish(self) -> Hashed | None:
        try:
            if self._sparse:
                os.ftruncate(self._fd, self._size)
            if self._mtime_ns is not None:
                set_times(self._fd, self._mtime_ns, self._mtime_ns)
            return None if self._total is None else Hashed(self._total.hexdigest(), os.fstat(self._fd))
        finally:
            self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _make_dir(path: str, member: Member) -> None:
    """Create the folder, or set mode and time of one that its content has created before."""
    mode = member.mode | 0o700
    try:
        os.mkdir(path, mode)
        found = mode & ~umask()
    except FileExistsError:
        existing = os.lstat(path)
        if not stat.S_ISDIR(existing.st_mode):
            raise
        found = stat.S_IMODE(existing.st_mode) & 0o777
    if found != mode:
        set_mode(path, mode | os.lstat(path).st_mode & stat.S_ISGID)
    if member.mtime_ns is not None:
        set_times(path, member.mtime_ns, member.mtime_ns)


def unpack(stem: str, plan: OutputPlan, data: bytes, partial: bool = False) -> Received:
    """Unpack a complete small tar; after BadTar or OSError nothing is left behind."""
    unpacker = Unpacker(stem, plan, partial)
    try:
        unpacker.feed(data)
        return unpacker.finish()
    except BaseException:
        unpacker.abort()
        raise
