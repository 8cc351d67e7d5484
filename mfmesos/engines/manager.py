"""Asks a manager for its queue and its workers, and finds out whether it is running.

The question is one line; the answer is JSON, after which the manager closes. "resources_status" and "worker_status" are
answered by every version of Work Queue and by TaskVine. Any other line, and a question in the clear where TLS is
expected or the other way round, may count as a lost worker in the manager's own statistics. Measured:

| the manager | answers a plain question with |
| --- | --- |
| has neither password nor TLS | JSON |
| has a password | "auth password sha1", and closes; it counts nothing |
| has TLS | a reset connection; it counts nothing |

So the first question is plain, unless the manager's record says that it has TLS, and the answer decides about the next
(`Access`). A manager with a password requires the client to prove that it knows the password, and proves the same: both
send "auth password sha1", then a random word; each answers the other's word with the SHA1, in hex, of the password, a
space and that word; each sends "ok" for a correct answer. TLS certificates are not verified, as cctools' own workers do
not verify them.
"""
from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mfmesos.engines.catalog import SourceError, all_of, parse, records_of, shown, whole_number
from mfmesos.engines.pool_worker import Identity
from mfmesos.shared.messages import pool as m
from mfmesos.shares.pool_values import ManagerStatus

TIMEOUT_S = 3.0
PROOF = b"auth password sha1\n"

class Password(NamedTuple):
    file: str
    word: bytes


Question = Callable[[bytes, "Access"], Awaitable[bytes]]


@dataclass(frozen=True)
class Access:
    """How a manager is asked, as far as it is known from its record and from its earlier answers."""

    tls: bool = False
    password: Password | None = None
    tls_possible: bool = True
    """No record tells whether it has TLS."""


class Listed(NamedTuple):
    """Workers of one size in a manager's list."""

    workers: int
    tasks: int
    """The number of their running tasks."""
    files: bool = False
    """One of them has no task and yet uses disk: it has files for tasks to come."""


@dataclass(frozen=True)
class Answer:
    """`status` is None if a manager gives no answer: a busy one, or one that refuses (`refuses` is then the reason).

    `workers` are by size; None: unknown. `access` is what is known after this question.
    """

    status: ManagerStatus | None
    workers: dict[Identity, Listed] | None = None
    access: Access = field(default=Access(), compare=False)
    refuses: str = ""


class Gone(Exception):
    """No process listens at the address."""


class Unreachable(Exception):
    """The state cannot be found out from here."""


class _Refused(Exception):
    """The manager, or the pool, ended the conversation."""


class _AsksForPassword(_Refused):
    """The manager has a password."""


class _OtherPassword(_Refused):
    """The manager's password is another one."""


class _Reset(SourceError):
    """The manager reset the connection: it may want TLS."""


class _NoTls(_Refused):
    """The manager has no TLS."""


async def ask(host: str, port: int, access: Access = Access(), passwords: Sequence[Password] = (), *,
              workers: bool = True, timeout_s: float = TIMEOUT_S) -> Answer:
    """What a manager at HOST:PORT reports; `workers`: of its workers, too. Raises Gone or Unreachable, in one line."""
    where = f"manager {host}:{port}"

    async def question(words: bytes, how: Access) -> bytes:
        return await _question(host, port, words, how, timeout_s)
    try:
        body, access = await _first_question(question, access, passwords, where)
        found = parse(body, where, (host, port)).managers
    except _Refused as e:
        return Answer(None, access=access, refuses=str(e))
    except SourceError:
        return Answer(None, access=access)
    if not found:
        return Answer(None, access=access)
    status = replace(found[0], ssl=access.tls, password=access.password.file if access.password else "")
    if not workers or not status.workers_connected:
        return Answer(status, None if status.workers_connected else {}, access)
    try:
        return Answer(status, workers_in(await question(b"worker_status\n", access), where), access)
    except (SourceError, _Refused):
        return Answer(status, access=access)


async def _first_question(question: Question, access: Access, passwords: Sequence[Password],
                          where: str) -> tuple[bytes, Access]:
    """The answer to resources_status, and how it was asked at last. Raises _Refused with the reason for the user."""
    words = b"resources_status\n"
    try:
        return await question(words, access), access
    except _Reset as e:
        if access.tls or not access.tls_possible:
            raise
        try:
            return await _first_question(question, replace(access, tls=True), passwords, where)
        except _NoTls:
            raise e from None
    except _AsksForPassword:
        if not passwords:
            raise _Refused(m.POOL_NEEDS_PASSWORD(where=where)) from None
    except _OtherPassword:
        pass
    for one in passwords:
        try:
            how = replace(access, password=one)
            return await question(words, how), how
        except _OtherPassword:
            continue
    raise _Refused(m.POOL_OTHER_PASSWORD(where=where))


async def _question(host: str, port: int, words: bytes, access: Access, timeout_s: float) -> bytes:
    """Raises SourceError if a process is there but gives no answer, _Reset if it may want TLS."""
    where = f"manager {host}:{port}"
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(
            host, port, ssl=_tls() if access.tls else None), timeout_s)
    except ConnectionRefusedError:
        raise Gone(m.POOL_NOBODY_LISTENS(where=where)) from None
    except ssl.SSLError as e:
        raise _NoTls(m.POOL_NO_TLS(where=where, why=shown(e))) from None
    except ConnectionResetError as e:
        if access.tls:
            raise _NoTls(m.POOL_NO_TLS(where=where, why=shown(e))) from None
        raise SourceError(m.POOL_NOT_ANSWERED(where=where, why=shown(e))) from None
    except (asyncio.TimeoutError, OSError) as e:
        why = shown(e) if str(e) else m.POOL_NO_ANSWER(timeout=timeout_s)
        raise Unreachable(m.POOL_NOT_ANSWERED(where=where, why=why)) from None
    try:
        return await asyncio.wait_for(_talk(reader, writer, words, access.password, where), timeout_s)
    except ConnectionResetError as e:
        raise _Reset(m.POOL_NOT_ANSWERED(where=where, why=shown(e))) from None
    except (asyncio.TimeoutError, OSError) as e:
        raise SourceError(m.POOL_NOT_ANSWERED(where=where, why=shown(e))) from None
    finally:
        writer.close()


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes, password: Password | None,
                where: str) -> bytes:
    if password is not None:
        await _prove(reader, writer, password.word, where)
    writer.write(words)
    body = await all_of(reader, where)
    if body.startswith(PROOF.rstrip()):
        raise _AsksForPassword
    return body


async def _prove(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, password: bytes, where: str) -> None:
    word = secrets.token_hex(32).encode()
    writer.write(PROOF + word + b"\n")
    if await _line(reader) != PROOF:
        raise SourceError(m.POOL_NO_PASSWORD_ASKED(where=where))
    writer.write(proof(password, (await _line(reader)).rstrip(b"\n")) + b"\n")
    if not hmac.compare_digest((await _line(reader)).rstrip(b"\n"), proof(password, word)):
        raise _OtherPassword
    writer.write(b"ok\n")
    if await _line(reader) != b"ok\n":
        raise _OtherPassword


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError as e:  # longer than any expected line
        raise SourceError(shown(e)) from None


def proof(password: bytes, word: bytes) -> bytes:
    return hashlib.sha1(password + b" " + word).hexdigest().encode()


def workers_in(body: bytes, where: str) -> dict[Identity, Listed]:
    """The workers by their size, from the answer to worker_status."""
    found: dict[Identity, Listed] = {}
    for one in records_of(body, where):
        try:
            who = Identity(*(whole_number(one, f"{name}_total") for name in ("cores", "memory", "disk")))
            tasks, disk_mb = whole_number(one, "total_tasks_running"), whole_number(one, "disk_inuse")
        except (ValueError, TypeError, AttributeError):
            continue
        known = found.get(who, Listed(0, 0))
        found[who] = Listed(known.workers + 1, known.tasks + tasks, known.files or (not tasks and disk_mb > 0))
    return found
