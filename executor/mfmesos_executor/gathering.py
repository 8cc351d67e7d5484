"""Puts the inputs of an attempt in place: small ones with one request for many."""
from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from typing import Callable, Generator, NamedTuple, Optional, Sequence, Tuple

from mfmesos.shared.batches import FILE_BYTES, MOST
from mfmesos.shared.holes import write_at
from mfmesos.shared.symlinks import lies_in
from mfmesos.shared.wire import Input
from mfmesos_executor.cache import Cache, Entry
from mfmesos_executor.fetching import Arrived
from mfmesos_executor.files import unlink
from mfmesos_executor.placing import mode_of
from mfmesos_executor.sandbox import Sandbox
from mfmesos_executor.shared import Sharer

Placing = Generator[Tuple[str, Optional[bool]], None, None]
FetchMany = Callable[[Sequence[Input], Callable[[int, Arrived], None], Callable[[], bool]], None]


def place_inputs(sandbox: Sandbox, cache: Cache, fetch_many: FetchMany,
                 cancelled: Callable[[], bool], sharer: Sharer | None = None) -> Placing:
    """Put all inputs of an attempt into its sandbox. Yields before each of them its name, and whether a large transfer
    may follow; None if none follows. Raises like Cache.place. `sharer`: the attempt if inputs may be links; then those
    that are outputs as well are not.
    """
    own = frozenset(map(sandbox.path, sandbox.outputs))
    wanted = [_Wanted(name, item, sandbox.path(name)) for name, item in sorted(sandbox.inputs.items())]
    # Folders first: a file that is also in one of them replaces the folder's copy.
    wanted.sort(key=lambda one: one.item.kind != "dir")
    made = {sandbox.work}

    def place(one: _Wanted) -> Placing:
        yield one.name, bool(one.item.url) or one.item.size > FILE_BYTES
        _make_parent(one, made)
        may_link = sharer is not None and not any(lies_in(output, one.target) for output in own)
        cache.place(one.item, one.target, cancelled, sharer if may_link else None, own)

    small = []
    for one in wanted:
        if not _is_small(one.item):
            yield from place(one)
    for one in wanted:
        if _is_small(one.item):
            yield one.name, None
            _make_parent(one, made)
            if not _came_along(one):
                small.append(one)
    if len(small) == 1:
        yield from place(small[0])
        return
    for start in range(0, len(small), MOST):
        yield from _place_some(small[start:start + MOST], cache, fetch_many, cancelled)


class _Wanted(NamedTuple):
    name: str
    item: Input
    target: str


def _is_small(item: Input) -> bool:
    return item.kind == "file" and item.size <= FILE_BYTES and not item.url


def _make_parent(wanted: _Wanted, made: set[str]) -> None:
    parent = os.path.dirname(wanted.target)
    if parent not in made:
        os.makedirs(parent, exist_ok=True)
        made.add(parent)


def _came_along(wanted: _Wanted) -> bool:
    """Whether the input travelled with the attempt and is in place now; otherwise fetch it. Raises OSError."""
    item = wanted.item
    if not item.content or item.shared:
        return False
    try:
        content = base64.b64decode(item.content, validate=True)
    except ValueError:
        return False
    item.content = ""  # not to be kept in memory until the attempt ends
    if hashlib.sha256(content).hexdigest() != item.digest:
        return False
    _write_new(wanted.target, content, mode_of(item), item.mtime_ns, item.sparse)
    return True


def _place_some(wanted: Sequence[_Wanted], cache: Cache, fetch_many: FetchMany,
                cancelled: Callable[[], bool]) -> Placing:
    yield wanted[0].name, False
    with _Gathering(wanted, cache) as gathering:
        gathering.fetch(fetch_many, cancelled)
        for index, one in enumerate(wanted):
            yield one.name, None
            gathering.place(index, cancelled)


class _Gathering:
    """Inputs that no other attempt needs are written to their targets at once, without the cache."""

    def __init__(self, wanted: Sequence[_Wanted], cache: Cache) -> None:
        self._wanted = wanted
        self._cache = cache
        self._entries: dict[int, Entry] = {}
        self._waiting: dict[int, None] = {}
        """Indexes of the files to be fetched."""
        self._errors: dict[int, BaseException] = {}

    def __enter__(self) -> _Gathering:
        for index, one in enumerate(self._wanted):
            mine = True
            if one.item.shared or self._cache.has(one.item):
                self._entries[index], mine = self._cache.enter(one.item)
            if mine:
                self._waiting[index] = None
        return self

    def __exit__(self, *_: object) -> None:
        for index, entry in self._entries.items():
            self._cache.leave(entry, self._wanted[index].item)

    def fetch(self, fetch_many: FetchMany, cancelled: Callable[[], bool]) -> None:
        """Fetch what the cache lacks; errors are kept for `place`."""
        indexes = list(self._waiting)
        if not indexes:
            return
        try:
            fetch_many([self._wanted[index].item for index in indexes],
                       lambda at, arrived: self._take(indexes[at], arrived), cancelled)
        except BaseException as e:
            for index in list(self._waiting):
                self._arrived(index, e)
            if not isinstance(e, Exception):
                raise

    def _take(self, index: int, arrived: Arrived) -> None:
        error: BaseException | None = None
        if isinstance(arrived, Exception):
            error = arrived
        else:
            self._write(index, arrived)
        self._arrived(index, error)

    def _write(self, index: int, content: bytes) -> None:
        one, entry = self._wanted[index], self._entries.get(index)
        path, mode, mtime_ns = one.target, mode_of(one.item), one.item.mtime_ns
        if entry is not None:
            path, mode, mtime_ns = entry.path, 0o600, 0
        _write_new(path, content, mode, mtime_ns, one.item.sparse)

    def _arrived(self, index: int, error: BaseException | None = None) -> None:
        del self._waiting[index]
        if error is not None:
            self._errors[index] = error
        if index in self._entries:
            self._cache.arrived(self._entries[index], error)

    def place(self, index: int, cancelled: Callable[[], bool]) -> None:
        one, entry = self._wanted[index], self._entries.get(index)
        if index in self._errors:
            raise self._errors[index]
        if entry is not None and not self._cache.give(entry, one.item, one.target, cancelled):
            self._cache.place(one.item, one.target, cancelled)


def _write_new(path: str, content: bytes, mode: int, mtime_ns: int, holes: bool) -> None:
    """A new file at `path`, instead of whatever file is there. Raises OSError; then nothing is left there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, mode)
    except FileExistsError:
        unlink(path)
        fd = os.open(path, flags, mode)
    try:
        if holes:
            write_at(fd, content, 0, True)
            os.ftruncate(fd, len(content))
        elif content and os.write(fd, content) != len(content):
            write_at(fd, content, 0, False)
        os.fchmod(fd, mode)
        if mtime_ns:
            os.utime(fd, ns=(mtime_ns, mtime_ns))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(fd)
