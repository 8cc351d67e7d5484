"""Small inputs: many in one answer, see mfmesos.shared.batches, and some in the answer that names their attempt."""
from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from typing import Callable

from mfmesos.core.model import StagedInput
from mfmesos.shared import batches, descriptors, wire
from mfmesos.shared.messages import staging as m
from mfmesos.shared.messages import streams as refusals
from mfmesos.staging.input_errors import InputChanged
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.refusals import Refused

PIECE = 1 << 20
LARGEST_ADDED, MOST_ADDED = 64 << 10, 1 << 20
"""Bytes of an input that travels in the answer that names its attempt, and of all of them in one answer."""


def answer(inputs: InputIndex, wanted: Sequence[Sequence[StagedInput]]) -> Iterator[bytes]:
    """The stream with one member for each of `wanted`, which lists the inputs that have its content; in pieces of about
    1 MiB (blocking).
    """
    pending = bytearray()
    for choices in wanted:
        try:
            status, body = batches.OK, _content(inputs, choices)
        except Refused as e:
            status, body = e.status, " ".join(e.reason.split()).encode("utf-8", "backslashreplace")
            body = body[:batches.REASON_BYTES]
        pending += batches.head(status, len(body))
        pending += body
        if len(pending) >= PIECE:
            yield bytes(pending)
            pending.clear()
    if pending:
        yield bytes(pending)


def _content(inputs: InputIndex, choices: Sequence[StagedInput]) -> bytes:
    refused = Refused(404, refusals.NOT_AN_INPUT())
    for staged in choices:
        if staged.kind != "file" or staged.size > batches.FILE_BYTES:
            raise Refused(413, refusals.FETCH_SINGLY())
        try:
            return read(inputs.verify(staged), staged)
        except (InputChanged, OSError) as e:
            refused = unavailable(staged, e)
            if refused.status != 409:
                break
    raise refused


def add_contents(inputs: InputIndex, choices: Callable[[str], Sequence[StagedInput]], runs: Sequence[wire.Run]) -> int:
    """Add to these messages the content of small inputs that no other attempt needs: each saves its executor a request,
    and its slot the wait for it. `choices`: the inputs with a digest that the claim may fetch. What is not available is
    left out, since the executor learns the reason when it fetches it. Returns the number of bytes (blocking).
    """
    total = 0
    for run in runs:
        for item in run.inputs:
            if item.shared or item.kind != "file" or item.size > LARGEST_ADDED or item.url or item.in_place:
                continue
            if total + item.size > MOST_ADDED:
                return total
            try:
                content = _content(inputs, choices(item.digest))
            except Refused:
                continue
            item.content = base64.b64encode(content).decode("ascii")
            total += len(content)
    return total


def read(path: str, staged: StagedInput) -> bytes:
    """The content of a small input. Raises InputChanged, OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as f:
        data = f.read(staged.size + 1)
    if len(data) != staged.size:
        raise InputChanged(m.INPUT_HAS_CHANGED(name=staged.name))
    return data


def unavailable(staged: StagedInput, e: InputChanged | OSError) -> Refused:
    """Why the input cannot be sent."""
    if isinstance(e, OSError) and e.errno in descriptors.SHORT:
        return Refused(503, refusals.NO_DESCRIPTORS())
    if staged.temporary:
        return Refused(404, refusals.TEMPORARY_AWAY())  # its claim may send it yet
    return Refused(409, str(e) if isinstance(e, InputChanged) else refusals.INPUT_LOST(name=staged.name))
