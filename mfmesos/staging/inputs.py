"""Inputs of tasks: checked, hashed once while unchanged, and found again when an executor fetches them."""
from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

from mfmesos.core.model import StagedInput, Task
from mfmesos.shared import descriptors
from mfmesos.shared.holes import sparse
from mfmesos.shared.messages import sharedfs as places
from mfmesos.shared.messages import staging as m
from mfmesos.shared.samehost import name_of
from mfmesos.shared.sharedfs import path_of
from mfmesos.shared.symlinks import leads_out
from mfmesos.shared.webrequest import WebError
from mfmesos.staging import stamps
from mfmesos.staging.check import OutputCheck
from mfmesos.staging.inplace import InPlace
from mfmesos.staging.input_errors import InputChanged, InputError, MissingInputs
from mfmesos.staging.late import LEAST_BYTES, LateDigests, pieces
from mfmesos.staging.names import relative
from mfmesos.staging.received import Hashed
from mfmesos.staging.remotes import Remotes
from mfmesos.staging.stamps import file_stamp, settled, tree_stamp, young
from mfmesos.staging.task_links import TaskLinks
from mfmesos.staging.trees import Row, TreeError, manifest, stat_print, walk

CHUNK = 1 << 20
TEMPORARY = ".mfmesos/temporary"
"""The folder with copies of temporary outputs, in the workflow's folder."""
MOST_ENTRIES = 100_000
"""Maximum number of remembered digests of files and folders; others are hashed again."""
TRUST_DIR_S = 2.0
"""Seconds before a folder is scanned again: thousands of tasks may share it."""
Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class _Entry:
    stamp: Stamp
    digest: str
    size: int
    tree: str = ""
    """For a folder: the stat results of everything in it."""
    looked_at: float = 0.0
    shown: str = ""
    """Its stamps.Stamp, unless it is young."""


def _stamp(found: os.stat_result) -> Stamp:
    # The inode's change time, too: a file that a task made keeps the time that it had there.
    return (found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev, found.st_ctime_ns)


def unpinned(task: Task) -> list[str]:
    """The URLs of its inputs without a sha256: their servers are asked for the version."""
    return [one.url for one in task.urls.values() if not one.sha256]


class InputIndex:
    """Digests of inputs, by path, size, time, inode and device. May be used from several threads. `own_files`: names in
    the workflow's folder that no task may write.
    """

    def __init__(self, workdir: Path, clock: Callable[[], float] = time.monotonic, most: int = MOST_ENTRIES,
                 own_files: Sequence[str] = (), late: bool = True, shared: Sequence[str] = (),
                 digests: bool = False) -> None:
        """With `late`, large files are hashed while they are sent the first time (see staging.late). `digests`: theirs
        are wanted also where they need not be sent.
        """
        self._workdir = Path(workdir)
        self.in_place = InPlace(workdir, shared)
        """Files in shared folders."""
        self._check = OutputCheck(workdir, own_files, self.in_place)
        self.links = TaskLinks(workdir)
        self.temporaries: set[str] = set()
        """Inputs that are temporary outputs of other tasks: they are not staged."""
        self.remotes = Remotes()
        """Inputs on web servers."""
        self._clock = clock
        self._most = most
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._late = LateDigests(most)
        self.late = late
        self.digests = digests
        self._busy: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    # --- submission -----------------------------------------------------------------------------
    def stage(self, task: Task, hash_now: Collection[str] = ()) -> tuple[StagedInput, ...]:
        """Check every input, and hash it (blocking); a large file is hashed when it is sent, unless it is in
        `hash_now`. Raises MissingInputs with all missing names, InputError for an unusable input, OSError if no file
        descriptor is free.
        """
        staged, missing = [], []
        in_place = self.in_place.inputs(task)
        for name in dict.fromkeys(relative(self._workdir, name) for name in task.inputs):
            if name in self.temporaries:
                continue
            try:
                staged.append(self._look_in_place(name) if name in in_place
                              else self._look(name, late=name not in hash_now))
            except FileNotFoundError:
                missing.append(name)
            except TreeError as e:
                raise InputError(m.INPUT_TREE(name=name, why=e)) from None
            except OSError as e:
                if e.errno == errno.ENOTDIR:
                    missing.append(name)
                    continue
                if e.errno in descriptors.SHORT:
                    raise
                raise InputError(m.INPUT_UNREADABLE(
                    name=name, why=os.strerror(e.errno or 0), path=self.path_of(name))) from None
        if missing:
            raise MissingInputs(tuple(missing), self._workdir)
        return (*staged, *self._stage_urls(task)) if task.urls else tuple(staged)

    def _stage_urls(self, task: Task) -> Iterator[StagedInput]:
        self.remotes.ask_all(unpinned(task))
        for name, one in task.urls.items():
            try:
                yield self.remotes.stage(relative(self._workdir, name), one)
            except WebError as e:
                raise InputError(m.INPUT_NOT_ASKED(name=name, why=e)) from None

    def ask_first(self, task: Task, then: Callable[[], None]) -> bool:
        """Whether `stage` would have to wait for web servers; if so, `then` is called when it need not, on any
        thread.
        """
        asking = [url for url in unpinned(task) if not self.remotes.is_known(url)] if task.urls else []
        if asking:
            self.remotes.begin(asking, then)
        return bool(asking)

    def temporaries_of(self, task: Task) -> tuple[str, ...]:
        """The inputs that `stage` leaves out."""
        if not self.temporaries:
            return ()
        return tuple(dict.fromkeys(name for name in task.inputs if name in self.temporaries))

    def outputs_problem(self, task: Task) -> str:
        """Why the task's outputs are impossible, in one plain line; empty if they are possible."""
        return self._check.problem(task)

    def look(self, name: str) -> StagedInput:
        """The present state of a file or folder, with its digest (blocking). Raises InputError, OSError."""
        try:
            return self._look(name, trust=False)
        except TreeError as e:
            raise InputError(f"{name}: {e}") from None

    def learn(self, name: str, hashed: Hashed | None) -> None:
        """A file was published under that name, and hashed before (blocking); otherwise a large one gets a name in
        place of its digest. Nothing is learned if it may have changed since, or may change without a trace.
        """
        path = self.path_of(name)
        try:
            now = os.lstat(path)
        except OSError:
            return
        if hashed is None and settled(now) and self.late and stat.S_ISREG(now.st_mode) and now.st_size >= LEAST_BYTES:
            self._late.use(name_of(now))
        elif hashed is not None and settled(now) and _stamp(now)[:4] == _stamp(hashed.made)[:4]:
            self._remember(path, _Entry(_stamp(now), hashed.digest, now.st_size))

    # --- stage in -------------------------------------------------------------------------------
    def path_of(self, name: str) -> str:
        """The path of an input with that (normalised) name."""
        return os.path.join(self._workdir, name)

    def quick(self, staged: StagedInput) -> bool:
        """Whether `verify` takes only microseconds."""
        return staged.kind == "file" and staged.size <= CHUNK

    def verify(self, staged: StagedInput) -> str:
        """The path of an input that is unchanged since it was hashed (blocking); raises InputChanged if it has changed,
        OSError if no file descriptor is free.
        """
        if staged.temporary:
            copy = f"{self._workdir}/{TEMPORARY}/{staged.digest}"
            if not os.path.isfile(copy):
                raise InputChanged(m.INPUT_GONE(name=staged.name))
            return copy
        try:
            if staged.late:
                return self._verify_late(staged)
            found = self._look(staged.name, trust=False)
        except (OSError, InputError, TreeError) as e:
            if isinstance(e, OSError) and e.errno in descriptors.SHORT:
                raise
            raise InputChanged(m.INPUT_GONE(name=staged.name)) from None
        if found.digest != staged.digest or found.kind != staged.kind:
            raise InputChanged(m.INPUT_HAS_CHANGED(name=staged.name))
        return self.path_of(staged.name)

    def _verify_late(self, staged: StagedInput) -> str:
        path = self._allowed(staged.name)
        found, digest = os.stat(path), self._late.digest(staged.digest)
        same = name_of(found) == staged.digest and stat.S_ISREG(found.st_mode)
        if (same and (not digest or self._known(path, _stamp(found)))) or (
                digest and self._file(path, found).digest == digest):
            return path
        raise InputChanged(m.INPUT_HAS_CHANGED(name=staged.name))

    def late_pieces(self, staged: StagedInput, most: Callable[[], int]) -> Iterator[bytes]:
        """The content of a verified large input in pieces of at most that many bytes, then its digest (blocking);
        without an end if it changes meanwhile. Raises OSError.
        """
        path = self.path_of(staged.name)

        def hashed(before: os.stat_result, digest: str) -> bool:
            after = os.stat(path)
            if _stamp(before) != _stamp(after) or name_of(after) != staged.digest:
                return False
            self._late.use(staged.digest, digest)
            self._remember(path, _Entry(_stamp(after), digest, staged.size))
            return True

        return pieces(path, staged.size, self._late.digest(staged.digest), hashed, most)

    def digest_of(self, staged: StagedInput) -> str:
        """Of its content; empty if it is not known yet."""
        return self._late.digest(staged.digest) if staged.late else staged.digest

    def lacks_digest(self, staged: StagedInput) -> bool:
        """Whether its digest is wanted and unknown; see `learn_late`."""
        return self.digests and not self.digest_of(staged)

    def learn_late(self, staged: StagedInput, digest: str) -> None:
        self._late.use(staged.digest, digest)

    def rows(self, staged: StagedInput) -> tuple[Row, ...]:
        """The members of an input folder to send; raises like `verify`."""
        path = self.path_of(staged.name)
        try:
            return self._rows(path)
        except (OSError, TreeError) as e:
            if isinstance(e, OSError) and e.errno in descriptors.SHORT:
                raise
            raise InputChanged(m.INPUT_HAS_CHANGED(name=staged.name)) from None

    def stamp(self, name: str, members: Collection[str] = ()) -> stamps.Stamp | None:
        """The present stat result for that name, see stamps.stamp (blocking)."""
        return stamps.stamp(self.path_of(name), members, self._rows)

    def tree(self, name: str) -> tuple[Row, ...]:
        """The present content of that folder (blocking). Raises OSError, TreeError."""
        return self._rows(self.path_of(name))

    # --------------------------------------------------------------------------------------------
    def _rows(self, path: str) -> tuple[Row, ...]:
        return walk(path, self.links.covers, os.path.realpath(self._workdir)) if self.links.some() else walk(path)

    def _allowed(self, name: str) -> str:
        if self.links.some() and self.links.leads_out(name):
            raise InputError(m.INPUT_LINK_OUTSIDE(name=name))
        return self.path_of(name)

    def _look(self, name: str, trust: bool = True, late: bool = False) -> StagedInput:
        path = self._allowed(name)
        found = os.stat(path)
        mode = stat.S_IMODE(found.st_mode) & 0o777
        if stat.S_ISREG(found.st_mode):
            if late and self.late and self._waits(path, found):
                return StagedInput(
                    name, name_of(found), found.st_size, mode, "file",
                    file_stamp(found.st_size, found.st_mtime_ns).text, found.st_mtime_ns, sparse(found), late=True)
            entry = self._file(path, found)
            shown = "" if young(entry.stamp[1]) else file_stamp(*entry.stamp[:2]).text
            return StagedInput(
                name, entry.digest, entry.size, mode, "file", shown, found.st_mtime_ns, sparse(found))
        if not stat.S_ISDIR(found.st_mode):
            raise InputError(m.INPUT_NOT_A_FILE(name=name))
        if not leads_out(path, str(self._workdir)):
            raise InputError(m.INPUT_WHOLE_FOLDER(name=name))
        entry = self._dir(path, found, trust)
        return StagedInput(name, entry.digest, entry.size, mode, "dir", entry.shown, found.st_mtime_ns)

    def _waits(self, path: str, found: os.stat_result) -> bool:
        """Whether the file is hashed when it is sent. A version with a name keeps it, for the caches of the claims."""
        if found.st_size < LEAST_BYTES:
            return False
        name = name_of(found)
        if name not in self._late and (young(found.st_mtime_ns) or self._known(path, _stamp(found))):
            return False
        self._late.use(name)
        return True

    def _look_in_place(self, name: str) -> StagedInput:
        """A file in a shared folder: large ones and folders are not read, so their stat results stand for them."""
        path = path_of(str(self._workdir), name)
        if self.in_place.leads_out(name):
            raise InputError(places.SHARED_INPUT_ELSEWHERE(name=name, path=path, folder=self.in_place.folder(name)))
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode) and found.st_size <= CHUNK:
            return replace(self._look(name), in_place=path)
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise InputError(m.INPUT_NOT_A_FILE(name=name))
        is_file = stat.S_ISREG(found.st_mode)
        shown = file_stamp(found.st_size, found.st_mtime_ns) if is_file else tree_stamp(self._rows(path))
        key = hashlib.sha256(os.fsencode(f"{path}\0{shown.text}")).hexdigest()
        return StagedInput(
            name, key, shown.size, stat.S_IMODE(found.st_mode) & 0o777, "file" if is_file else "dir", shown.text,
            found.st_mtime_ns, tag=shown.text, in_place=path)

    def _known(self, path: str, stamp: Stamp) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(path)
            if entry is None or entry.stamp != stamp:
                return None
            self._entries.move_to_end(path)
            return entry

    def _remember(self, path: str, entry: _Entry) -> None:
        with self._lock:
            self._entries[path] = entry
            self._entries.move_to_end(path)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def _once(self, path: str, known: Callable[[], _Entry | None], make: Callable[[], _Entry]) -> _Entry:
        """The known entry, otherwise a new one; one thread makes it, and others that need the same entry wait."""
        while True:
            entry = known()
            if entry is not None:
                return entry
            with self._lock:
                other = self._busy.get(path)
                if other is None:
                    self._busy[path] = mine = threading.Event()
                    break
            other.wait()
        try:
            return make()
        finally:
            with self._lock:
                del self._busy[path]
            mine.set()

    def _file(self, path: str, found: os.stat_result) -> _Entry:
        stamp = _stamp(found)
        entry = self._known(path, stamp)
        if entry is not None:
            return entry
        if found.st_size <= CHUNK:
            return self._hash(path)
        return self._once(path, lambda: self._known(path, stamp), lambda: self._hash(path))

    def _hash(self, path: str) -> _Entry:
        for _ in range(3):
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
                before = os.fstat(f.fileno())
                if not stat.S_ISREG(before.st_mode):
                    break
                total, size = hashlib.sha256(), 0
                while piece := f.read(CHUNK):
                    total.update(piece)
                    size += len(piece)
                after = os.fstat(f.fileno())
            if _stamp(before) == _stamp(after) and size == after.st_size:
                entry = _Entry(_stamp(after), total.hexdigest(), size)
                if not young(after.st_mtime_ns):
                    self._remember(path, entry)
                return entry
        raise InputError(m.INPUT_CHANGING(path=path))

    def _dir(self, path: str, found: os.stat_result, trust: bool) -> _Entry:
        stamp = _stamp(found)

        def known() -> _Entry | None:
            entry = self._known(path, stamp)
            fresh = entry is not None and entry.tree and self._clock() - entry.looked_at < TRUST_DIR_S
            return entry if fresh and trust else None

        return self._once(path, known, lambda: self._walk(path, stamp))

    def _walk(self, path: str, stamp: Stamp) -> _Entry:
        rows = self._rows(path)
        tree = stat_print(rows)
        known = self._known(path, stamp)
        digest = known.digest if known is not None and known.tree == tree else self._manifest(rows)
        fresh = any(young(r.mtime_ns) for r in rows if r.kind == "file")
        shown = tree_stamp(rows)
        entry = _Entry(stamp, digest, shown.size, tree, self._clock(), "" if fresh else shown.text)
        if not fresh:
            self._remember(path, entry)
        return entry

    def _manifest(self, rows: tuple[Row, ...]) -> str:
        return manifest(rows, lambda row: self._file(row.path, os.stat(row.path)).digest)
