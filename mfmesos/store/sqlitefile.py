"""Common parts of all SQLite files of mfmesos: permissions, ownership, and errors in one line."""
from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

from mfmesos.shared.messages import store as m
from mfmesos.shared.netfs import on_network

LEAST_SIZE = 512
"""The size of a non-empty SQLite file. SQLite treats a smaller file as empty, whatever its content."""


class UnusableFile(Exception):
    """The file is unusable: one line with the file, the reason and the cure."""


def prepare(path: Path, move: str) -> None:
    """Create an empty private file, if none exists. An existing file is not opened here: closing it would release
    SQLite's locks on it in this process.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, m.SQLITE_NOT_REGULAR()) from None
        if 0 < found.st_size < LEAST_SIZE:
            raise UnusableFile(m.NOT_SQLITE(path=path, away=move)) from None


def alone(db: sqlite3.Connection, path: Path) -> None:
    """First call on a file that only one process opens at a time: on a file server the write-ahead log must do without
    shared memory, which does not work there.
    """
    if on_network(path):
        db.execute("PRAGMA locking_mode = EXCLUSIVE")


def writable(path: Path) -> bool:
    """Whether SQLite may write that file and its companion files."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def on_read_only_mount(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def open_to_read(path: Path, **options: Any) -> sqlite3.Connection:
    """Open a file that cannot be written."""
    db: sqlite3.Connection = sqlite3.connect(uri_to_read(path), uri=True, **options)
    return db


def uri_to_read(path: Path) -> str:
    """The name under which SQLite only reads the file. With a write-ahead log it writes even to read: where it cannot,
    changes that are only in the log are not visible.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True)
    try:
        db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        return f"{uri}&immutable=1"
    finally:
        db.close()
    return uri


def pragma(db: sqlite3.Connection, name: str) -> Any:
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def is_new(db: sqlite3.Connection) -> bool:
    """Whether the database is empty."""
    return not pragma(db, "application_id") and not pragma(db, "user_version") and not db.execute(
        "SELECT count(*) FROM sqlite_master").fetchone()[0]


def mark(db: sqlite3.Connection, application_id: int, version: int) -> None:
    """Mark the file as mfmesos's; within the transaction that creates its tables."""
    db.execute(f"PRAGMA application_id = {application_id}")
    db.execute(f"PRAGMA user_version = {version}")


def migrate(
    db: sqlite3.Connection, steps: Sequence[Callable[[sqlite3.Connection], None]], application_id: int,
) -> None:
    """Bring an empty file, or one of an earlier version, to the version of all steps, in one transaction: a process
    that dies meanwhile leaves the file as it was.
    """
    found = pragma(db, "user_version")
    if found >= len(steps):
        return
    with transaction(db):
        for step in steps[found:]:
            step(db)
        mark(db, application_id, len(steps))


def check(
    db: sqlite3.Connection, path: Path, application_id: int, version: int, move: str, *, whole: bool = True,
) -> None:
    """Raises UnusableFile for another program's file, a newer mfmesos's file and, if it is to be read as a `whole`, a
    damaged file.
    """
    found = pragma(db, "user_version")
    if pragma(db, "application_id") != application_id:
        raise UnusableFile(m.FOREIGN_SQLITE(path=path, away=move))
    if found > version:
        raise UnusableFile(m.NEWER_SQLITE(path=path, found=found, known=version, away=move))
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0] if whole else "ok"
    if verdict != "ok":
        raise UnusableFile(m.DAMAGED_SQLITE(path=path, verdict=" ".join(str(verdict).split())[:80], away=move))


@contextmanager
def closed_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    """Close the file if the steps after its opening fail."""
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
def translated_errors(path: Path, error: type[Exception], move: str, or_else: str = "") -> Iterator[None]:
    """Turns errors of SQLite and the system into one line; `move` is the cure for errors without another cure,
    `or_else` what else helps.
    """
    try:
        yield
    except UnusableFile as e:
        raise error(str(e)) from e
    except sqlite3.Error as e:
        raise error(_explained(path, " ".join(str(e).split()), move, or_else)) from e
    except OSError as e:
        raise error(m.SQLITE_INACCESSIBLE(path=path, why=e.strerror or e, away=move)) from e
    except ValueError as e:  # an invalid name
        raise error(m.SQLITE_BAD_NAME(path=str(path), why=e, away=move)) from e


def _explained(path: Path, why: str, move: str, or_else: str) -> str:
    """An error of SQLite with its cure."""
    signs = why.lower()
    if "locked" in signs:
        return m.SQLITE_IN_USE(path=path, why=why, or_else=or_else)
    if "is full" in signs:
        return m.SQLITE_DISK_FULL(path=path, why=why, or_else=or_else)
    if "readonly" in signs or "unable to open" in signs:
        return m.SQLITE_READ_ONLY(path=path, why=why, or_else=or_else)
    if "disk i/o" in signs:
        return m.SQLITE_DISK_BROKEN(path=path, why=why, or_else=or_else)
    return m.SQLITE_FAILED(path=path, why=why, away=move)
