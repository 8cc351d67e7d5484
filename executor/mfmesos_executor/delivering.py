"""Delivers the outputs of an attempt, by the shortest of three ways."""
from __future__ import annotations

from typing import Callable

from mfmesos.shared.wire import Result, Run
from mfmesos_executor import keeping, same_host, shared_folders
from mfmesos_executor.client import Cancelled, Client
from mfmesos_executor.outputs import Outgoing, send_tar


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
