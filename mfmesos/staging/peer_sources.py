"""Tells executors where to fetch large inputs: the staging server's side of peer_wire.py."""
from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Callable, Union

from mfmesos import aio
from mfmesos.core.model import StagedInput
from mfmesos.shared import wire
from mfmesos.shared.addresses import join_host_port, split_address
from mfmesos.shared.messages import streams as refusals
from mfmesos.shared.peer_wire import MOST_REQUEST_BYTES, SourceAnswer, SourceRequest, file_token, load_source_request
from mfmesos.shared.wire_checks import WireError
from mfmesos.staging import smallfiles
from mfmesos.staging.blocks import BlockDigests
from mfmesos.staging.input_errors import InputChanged
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.peer_tracker import Serving, Tracker
from mfmesos.staging.refusals import Refused

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class PeerSources:
    """Belongs to the loop's thread. `secret_of`: the secret of a claim's executor, for the tokens of its inputs."""

    def __init__(
        self, inputs: InputIndex, pool: Executor, secret_of: Callable[[str], str], *, tls: bool, idle_s: float,
    ) -> None:
        self._inputs = inputs
        self._pool = pool
        self._secret_of = secret_of
        self._tls = tls
        self._idle_s = idle_s
        self._blocks = BlockDigests(pool)
        self.tracker = Tracker()

    async def answer(self, request: aio.web.Request, claim_id: str, choices: Sequence[StagedInput]) -> aio.web.Response:
        """Where the claim should fetch the next bytes of an input that it may fetch; `choices` are all with this
        content. Raises Refused.
        """
        choices = [staged for staged in choices if staged.kind == "file"]
        if not choices:
            raise Refused(404, refusals.NOT_AN_INPUT())
        asked = await self._read(request)
        digests = await self._digests(choices, asked.known)
        serving, behind = self._serving(asked, request.remote or "")
        self.tracker.introduce(claim_id, serving, behind)
        digest, size = choices[0].digest, choices[0].size
        peer = self.tracker.ask(claim_id, digest, size, asked, asyncio.get_running_loop().time())
        answer = SourceAnswer(base64.b64encode(digests).decode(), peer)
        at = self.tracker.serving(peer) if peer else None
        if at is not None:
            answer.url = ("https://" if self._tls else "http://") + at.address
            answer.fingerprint, answer.token = at.fingerprint, file_token(self._secret_of(peer), digest)
        else:
            answer.peer = ""
        return aio.web.Response(body=wire.dumps(answer), content_type="application/json")

    async def _read(self, request: aio.web.Request) -> SourceRequest:
        if request.content_length is None or request.content_length > MOST_REQUEST_BYTES:
            raise Refused(413, refusals.REQUEST_TOO_LARGE())
        try:
            raw = await asyncio.wait_for(request.read(), self._idle_s)
            return load_source_request(raw)
        except asyncio.TimeoutError:
            raise Refused(408, refusals.REQUEST_TOO_SLOW()) from None
        except (WireError, RecursionError) as e:
            raise Refused(400, str(e)) from None

    async def _digests(self, choices: Sequence[StagedInput], known: int) -> bytes:
        """Of any choice that is unchanged."""
        refused = Refused(404, refusals.NOT_AN_INPUT())
        for staged in choices:
            try:
                path = await asyncio.get_running_loop().run_in_executor(self._pool, self._inputs.verify, staged)
                return await self._blocks.after(staged, path, known)
            except (InputChanged, OSError) as e:
                refused = smallfiles.unavailable(staged, e)
                if refused.status != 409:
                    break
        raise refused

    def _serving(self, asked: SourceRequest, remote: str) -> tuple[Serving | None, str]:
        """Where it serves, and as which address it is seen here. An address is believed only where others would not be
        led astray: it is the one that is seen, or only executors behind the same one get it.
        """
        seen = _parsed(remote)
        if seen is None:
            return None, ""
        behind = str(seen)
        host, port = split_address(asked.address) if asked.address else ("", 0)
        own = _parsed(host)
        if own is None or own.is_unspecified or own.is_multicast or own.is_loopback != seen.is_loopback:
            return None, behind
        if self._tls and not asked.fingerprint:
            return None, behind
        return Serving(join_host_port(str(own), port), asked.fingerprint, "" if own == seen else behind), behind


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
