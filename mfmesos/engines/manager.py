"""Asks a manager for its queue and its workers, and finds out whether it is running.

A manager with a password requires the client to prove that it knows the password, and proves the same. Measured with
cctools 8.0.0: both send "auth password sha1", then a random word; each answers the other's word with the SHA1, in hex,
of the password, a space and that word; each sends "ok" for a correct answer.
"""
from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from mfmesos.engines.catalog import SourceError, all_of, parse, records_of, shown, whole_number
from mfmesos.engines.pool_worker import Identity
from mfmesos.shared.messages import pool as m
from mfmesos.shares.pool_values import ManagerStatus

TIMEOUT_S = 3.0
PROOF = b"auth password sha1\n"


@dataclass(frozen=True)
class Answer:
    """`status` is None if a manager answers without data: one with another password, or a busy one.

    `workers` maps each worker to its number of running tasks; None: unknown.
    """

    status: ManagerStatus | None
    workers: dict[Identity, int] | None = None


class Gone(Exception):
    """No process listens at the address."""


class Unreachable(Exception):
    """The state cannot be found out from here."""


async def ask(host: str, port: int, password: bytes = b"", timeout_s: float = TIMEOUT_S) -> Answer:
    """Both answers of a manager at HOST:PORT. Raises Gone or Unreachable, in one line."""
    where = f"manager {host}:{port}"
    try:
        body = await _question(host, port, b"queue_status\n", password, timeout_s)
        found = parse(body, where, (host, port)).managers
    except SourceError:
        return Answer(None)
    if not found:
        return Answer(None)
    if not found[0].workers_connected:
        return Answer(found[0], {})
    try:
        body = await _question(host, port, b"worker_status\n", password, timeout_s)
        return Answer(found[0], workers_in(body, where))
    except SourceError:
        return Answer(found[0])


async def _question(host: str, port: int, words: bytes, password: bytes, timeout_s: float) -> bytes:
    """Raises SourceError if a process is there but gives no answer."""
    where = f"manager {host}:{port}"
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout_s)
    except ConnectionRefusedError:
        raise Gone(m.POOL_NOBODY_LISTENS(where=where)) from None
    except (asyncio.TimeoutError, OSError) as e:
        why = shown(e) if str(e) else m.POOL_NO_ANSWER(timeout=timeout_s)
        raise Unreachable(m.POOL_NOT_ANSWERED(where=where, why=why)) from None
    try:
        return await asyncio.wait_for(_talk(reader, writer, words, password, where), timeout_s)
    except (asyncio.TimeoutError, OSError) as e:
        raise SourceError(m.POOL_NOT_ANSWERED(where=where, why=shown(e))) from None
    finally:
        writer.close()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes, password: bytes,
                where: str) -> bytes:
    if password:
        word = secrets.token_hex(32).encode()
        writer.write(PROOF + word + b"\n")
        if await _line(reader) != PROOF:
            raise SourceError(m.POOL_NO_PASSWORD_ASKED(where=where))
        writer.write(proof(password, (await _line(reader)).rstrip(b"\n")) + b"\n")
        if not hmac.compare_digest((await _line(reader)).rstrip(b"\n"), proof(password, word)):
            raise SourceError(m.POOL_OTHER_PASSWORD(where=where))
        writer.write(b"ok\n")
        if await _line(reader) != b"ok\n":
            raise SourceError(m.POOL_PASSWORD_REJECTED(where=where))
    writer.write(words)
    return await all_of(reader, where)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError as e:  # longer than any expected line
        raise SourceError(shown(e)) from None


def proof(password: bytes, word: bytes) -> bytes:
    return hashlib.sha1(password + b" " + word).hexdigest().encode()


def workers_in(body: bytes, where: str) -> dict[Identity, int]:
    """The number of running tasks per worker, from the answer to worker_status."""
    found: dict[Identity, int] = {}
    for one in records_of(body, where):
        try:
            who = Identity(*(whole_number(one, f"{name}_total") for name in ("cores", "memory", "disk")))
            found[who] = found.get(who, 0) + whole_number(one, "total_tasks_running")
        except (ValueError, TypeError, AttributeError):
            continue
    return found
