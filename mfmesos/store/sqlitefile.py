"""What every SQLite file of ours has in common: who may read it, whose it is, and errors in one line."""
from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mfmesos.shared.netfs import on_network

LEAST_SIZE = 512
"""Of a SQLite file with anything in it. SQLite takes a smaller one, whatever it holds, for an empty one."""
CURES = (
    ("locked", "another program holds it; end that"),
    ("is full", "make room on that disk"),
    ("readonly", "make it and its folder writable"),
    ("unable to open", "make it and its folder writable"),
    ("disk i/o", "see whether the disk is full or broken"),
)


class UnusableFile(Exception):
    """The file cannot be used: one line with the file, what is wrong, and the cure."""


def prepare(path: Path, move: str) -> None:
    """An empty file for its owner alone, where there is none. An existing one is not opened here: closing it would
    take away the locks that SQLite holds on it in this process."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        there = path.stat()
        if not stat.S_ISREG(there.st_mode):
            raise OSError(0, "not a regular file") from None
        if 0 < there.st_size < LEAST_SIZE:
            raise UnusableFile(f"{path} is no SQLite file; {move}") from None


def alone(db: sqlite3.Connection, path: Path) -> None:
    """Before anything else on a file that one process has open at a time: on a file server the write-ahead log does
    without shared memory, which there is none of."""
    if on_network(path):
        db.execute("PRAGMA locking_mode = EXCLUSIVE")


def writable(path: Path) -> bool:
    """Whether SQLite may write to that file and put its own beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def on_read_only_mount(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def open_to_read(path: Path, **options: Any) -> sqlite3.Connection:
    """A file that can't be written. With a write-ahead log SQLite wants to write even to read; then what the log holds
    beyond the file is not seen."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    db: sqlite3.Connection = sqlite3.connect(uri, uri=True, **options)
    try:
        db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        db.close()
        db = sqlite3.connect(f"{uri}&immutable=1", uri=True, **options)
    return db


def pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def is_new(db: sqlite3.Connection) -> bool:
    """Whether nothing is in it yet."""
    return not pragma(db, "application_id") and not pragma(db, "user_version") and not db.execute(
        "SELECT count(*) FROM sqlite_master").fetchone()[0]


def mark(db: sqlite3.Connection, application_id: int, version: int) -> None:
    """Whose file it is; within the transaction that makes its tables."""
    db.execute(f"PRAGMA application_id = {application_id}")
    db.execute(f"PRAGMA user_version = {version}")


def check(db: sqlite3.Connection, path: Path, application_id: int, version: int, move: str) -> None:
    """Raises UnusableFile for another program's file, a newer mfmesos's, and one that is damaged."""
    found = pragma(db, "user_version")
    if pragma(db, "application_id") != application_id:
        raise UnusableFile(f"{path} is another program's SQLite file; {move}")
    if found > version:
        raise UnusableFile(
            f"{path} was written by a newer mfmesos (version {found} of the file, this one knows {version}); "
            f"update mfmesos, or {move}")
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise UnusableFile(f"{path} is damaged ({' '.join(str(verdict).split())[:80]}); {move}")


@contextmanager
def closed_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    """For what follows the opening of a file: nobody else would close it."""
    try:
        yield
    except BaseException:
        db.close()
        raise


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path, error: type[Exception], move: str, cures: Sequence[tuple[str, str]] = CURES) -> Iterator[None]:
    """Turns what SQLite and the system say into one line; `move` is the cure for all that has no other."""
    try:
        yield
    except UnusableFile as e:
        raise error(str(e)) from e
    except sqlite3.Error as e:
        text = " ".join(str(e).split())
        cure = next((cure for sign, cure in cures if sign in text.lower()), move)
        raise error(f"{path}: {text}; {cure}") from e
    except OSError as e:
        raise error(f"{path}: {e.strerror or e}; make it and its folder writable for you, or {move}") from e
    except ValueError as e:  # a name that cannot be one
        raise error(f"{str(path)!r}: {e}; {move}") from e
