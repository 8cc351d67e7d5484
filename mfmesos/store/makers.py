"""Which task of a run made a file, in the table `made` of record.sqlite: hashes of the names, so that a run with
millions of outputs takes little space.
"""
from __future__ import annotations

import hashlib
import posixpath
import sqlite3
from collections.abc import Iterable, Iterator

MOST_NAMES = 500
"""Of one task: it may have a million inputs."""
_AT_ONCE = 250


def hashed(name: str) -> int:
    """Of a name relative to the workflow's folder: 8 bytes, as SQLite's signed integer."""
    plain = posixpath.normpath(name) if "./" in name or "//" in name or name[-1:] in "/." else name
    raw = plain.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big", signed=True)


def makers(db: sqlite3.Connection, run: int, names: Iterable[str]) -> list[int]:
    """The tasks of the run that made these files: the one that ended last, then the others in their order."""
    wanted = [hashed(name) for name, _ in zip(names, range(MOST_NAMES))]
    found: dict[int, float] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start:start + _AT_ONCE]
        found.update(db.execute(
            f"SELECT task, ended FROM made WHERE run = ? AND name IN ({', '.join('?' * len(some))})", (run, *some)))
    if not found:
        return []
    last = max(found, key=lambda task: (found[task], task))
    return [last, *sorted(found.keys() - {last})]


def written(tasks: list[int], limit: int) -> str:
    """As text: "57 1-20 30"; one that is longer than `limit` characters loses its end, which a "…" replaces."""
    words: list[str] = [str(tasks[0])] if tasks else []
    begin = end = 0
    for task in [*tasks[1:], 0]:
        if begin and task == end + 1:
            end = task
            continue
        if begin:
            words.append(str(begin) if begin == end else f"{begin}-{end}")
        begin = end = task
    text = " ".join(words)
    while len(text) > limit:
        text = text.rstrip(" …").rpartition(" ")[0] + " …"
    return text


def read(text: str) -> Iterator[int]:
    """The tasks of such a text, each once."""
    first = None
    for word in text.split():
        if word != "…":
            begin, _, end = word.partition("-")
            yield from (task for task in range(int(begin), int(end or begin) + 1) if task != first)
            first = int(begin) if first is None else first
