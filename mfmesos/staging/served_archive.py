"""Serves the executor's archive, and with it the places of large files that a claim on this machine needs first.

A claim's command asks for it: without a token of the claim, which no process list may show. So the places are named
only to connections from this machine itself, and give no access.
"""
from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from mfmesos import aio
from mfmesos.core.model import StagedInput
from mfmesos.shared.samehost import PLACES, PLACES_BYTES
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.places import first_places
from mfmesos.staging.refusals import refusal

LOOK_S = 1.0
"""The executor's start waits no longer for a slow file system, or for threads that hash."""


class ServedArchive:
    """`base`: the URL of its port, once that is known."""

    def __init__(self, token: str, inputs: InputIndex, reading: Executor) -> None:
        """`token`: the random part of its URL, which is no claim's and gives no other access."""
        self._token = token
        self._inputs = inputs
        self._reading = reading
        self._content, self._name = b"", ""
        self._first: dict[str, tuple[StagedInput, ...]] = {}
        self.base = ""

    def serve(self, path: Path) -> None:
        """Serve this file, from memory."""
        self._content, self._name = Path(path).read_bytes(), Path(path).name

    def url(self, claim_id: str = "", first: Sequence[StagedInput] = ()) -> str:
        """For a claim that will need these inputs first."""
        if first:
            self._first[claim_id] = tuple(first)
        return f"{self.base}/archive/{self._token}/{self._name}" + (f"?claim={claim_id}" if first else "")

    def forget(self, claim_id: str) -> None:
        """The claim has ended."""
        self._first.pop(claim_id, None)

    async def answer(self, request: aio.web.Request) -> aio.web.StreamResponse:
        given = f"{request.match_info['token']}/{request.match_info['name']}".encode()
        if not secrets.compare_digest(given, f"{self._token}/{self._name}".encode()):
            return refusal(request, 404, "")
        return aio.web.Response(body=self._content, content_type="application/octet-stream",
                                headers=await self._places(request))

    async def _places(self, request: aio.web.Request) -> dict[str, str]:
        first = self._first.get(request.query.get("claim", ""), ())
        if not first or not _from_here(request):
            return {}
        look = asyncio.get_running_loop().run_in_executor(self._reading, first_places, self._inputs, first)
        try:
            found = await asyncio.wait_for(look, LOOK_S)
        except asyncio.TimeoutError:
            return {}
        text = json.dumps([vars(place) for place in found])
        return {PLACES: text} if found and len(text) <= PLACES_BYTES else {}


def _from_here(request: aio.web.Request) -> bool:
    """Whether nothing of the connection passes through a network."""
    if request.transport is None:
        return False
    peer, here = map(request.transport.get_extra_info, ("peername", "sockname"))
    return bool(peer and here and peer[0] == here[0])
