"""Delivers the outputs of an attempt, by the shortest of three ways."""
from __future__ import annotations

from typing import Callable

from mfmesos.shared import plainerrors
from mfmesos.shared.messages import executor as m
from mfmesos.shared.wire import BROKEN, FAILED, KILLED, Result, Run
from mfmesos_executor import keeping, same_host, shared_folders, verdict
from mfmesos_executor.client import Cancelled, Client, Refused, Unreachable
from mfmesos_executor.outputs import BadOutput, Outgoing, send_tar


def deliver(run: Run, outgoing: Outgoing, result: Result, client: Client,
            cancelled: Callable[[], bool]) -> dict[str, str]:
    """Put the outputs where the scheduler looks for them, in a folder that it shares or on its own machine, or send
    them. Returns the digests that they have as inputs, as far as they are known. Raises Unreachable, Refused,
    Cancelled, OSError.
    """
    def look() -> None:
        if cancelled():
            raise Cancelled

    members = outgoing.members
    if not members or shared_folders.place_outputs(members, run, result, cancelled):
        return {}
    placed = same_host.place_outputs(members, run, result, client, cancelled)
    if placed is not None:
        return placed
    return keeping.stated(client.upload(
        run.attempt, outgoing.length, lambda sock: send_tar(members, sock, look), cancelled, outgoing.query))


def judge_failure(result: Result, e: Exception, trouble: Callable[[], str]) -> None:
    """How an attempt ends whose outputs could not be delivered; `trouble()`: what is wrong with its folders."""
    if isinstance(e, BadOutput):
        result.outcome, result.reason = FAILED, str(e)
    elif isinstance(e, Cancelled):
        result.outcome, result.reason = KILLED, m.KILLED_WHILE_SENDING()
    elif isinstance(e, (Unreachable, Refused)):
        result.outcome, result.reason = BROKEN, m.OUTPUTS_NOT_SENT(why=plainerrors.reason(e))
    elif isinstance(e, OSError) and e.errno in verdict.TASKS_OWN:
        result.outcome, result.reason = FAILED, m.OUTPUT_UNREADABLE(why=verdict.agents_reason(e))
    elif isinstance(e, OSError):
        why = trouble() or m.OUTPUTS_UNREADABLE(why=verdict.agents_reason(e))
        result.outcome, result.reason = BROKEN, why
