"""What a manager itself says: its queue and its workers. Also whether it is there at all."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass

from mfmesos.core.pool import ManagerStatus
from mfmesos.pool.catalog import SourceError, all_of, parse, records_of, shown, whole_number
from mfmesos.pool.worker import Identity

TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Answer:
    """`status` is None when somebody is there who does not tell: a manager with a password, or one that computes.

    `workers` has how many tasks each of its workers runs; None: not told.
    """

    status: ManagerStatus | None
    workers: dict[Identity, int] | None = None


class Gone(Exception):
    """Nobody listens there."""


class Unreachable(Exception):
    """From here nobody can tell."""


async def ask(host: str, port: int, *, timeout_s: float = TIMEOUT_S, workers: bool = True) -> Answer:
    """Both answers of a manager at HOST:PORT. Raises Gone or Unreachable, in one line."""
    where = f"manager {host}:{port}"
    try:
        body = await _question(host, port, b"queue_status\n", timeout_s, where)
        told = parse(body, where, (host, port)).managers
    except SourceError:
        return Answer(None)
    if not told:
        return Answer(None)
    if not workers or not told[0].workers_connected:
        return Answer(told[0], {})
    try:
        return Answer(told[0], workers_in(await _question(host, port, b"worker_status\n", timeout_s, where), where))
    except SourceError:
        return Answer(told[0])


async def _question(host: str, port: int, words: bytes, timeout_s: float, where: str) -> bytes:
    """SourceError when somebody is there who gives no answer."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout_s)
    except ConnectionRefusedError:
        raise Gone(f"{where}: nobody listens there") from None
    except (asyncio.TimeoutError, OSError) as e:
        raise Unreachable(f"{where}: {shown(e) if str(e) else f'no answer within {timeout_s:g} s'}") from None
    try:
        writer.write(words)
        return await asyncio.wait_for(all_of(reader, where), timeout_s)
    except (asyncio.TimeoutError, OSError) as e:
        raise SourceError(f"{where}: {shown(e)}") from None
    finally:
        writer.close()


def workers_in(body: bytes, where: str) -> dict[Identity, int]:
    """How many tasks each worker runs, out of the answer to worker_status."""
    found: dict[Identity, int] = {}
    for one in records_of(body, where):
        try:
            who = Identity(*(whole_number(one, f"{name}_total") for name in ("cores", "memory", "disk")))
            found[who] = found.get(who, 0) + whole_number(one, "total_tasks_running")
        except (ValueError, TypeError, AttributeError):
            continue
    return found
