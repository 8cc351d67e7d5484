"""How executors fetch large inputs from each other (--peer-transfers); the first part of the protocol is in wire.py.

    POST /claims/{claim}/sources/{digest}   SourceRequest -> SourceAnswer, from an executor to the staging server
    GET  /inputs/{digest}                   from an executor to the executor of another claim, a peer

An executor that needs a large input asks where to fetch it: from a peer, which may itself still be receiving the input,
or from the scheduler (GET /claims/{claim}/files/{digest} with a Range). The answer also brings digests of the input's
blocks: a block is verified before it counts as received, and before it is sent to anyone else, so damage never travels
further, and it is known who caused it. During the transfer the executor asks again every REPORT_S; the answer may name
another source. It also asks again when its source fails, and once more when it has the whole input.

Both sides send nothing but this on a connection between peers: `Authorization: Bearer TOKEN` with `file_token`, which
is valid for one digest at one peer, and `Range: bytes=N-`. The answer has the status 206 and the length of the rest;
its bytes come as the peer receives them. The connection is closed after one answer.

This module is used on both sides and travels to the agents: standard library only, Python 3.8 or newer.
"""
from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Any

from mfmesos.shared.addresses import split_address
from mfmesos.shared.phrases import printable
from mfmesos.shared.wire_checks import WireError, fields_of, parsed

SMALLEST_BYTES = 1 << 20
"""Smaller inputs come from the scheduler: asking would cost more than it saves."""
REPORT_S = 3.0
LEAST_BLOCK, USUAL_BLOCK = 64 << 10, 1 << 20
USUAL_BLOCKS, MOST_BLOCKS = 128, 1 << 16
DIGEST_BYTES = 32
MOST_REQUEST_BYTES = 4096

UNREACHABLE = "unreachable"  # no connection, no TLS, or another certificate
MISSING = "missing"  # it does not have the input, or does not accept the token
BUSY = "busy"  # it serves as many others as it may
BROKEN = "broken"  # the connection broke, or was silent for long
DAMAGED = "damaged"  # a block with another digest
FAILURES = (UNREACHABLE, MISSING, BUSY, BROKEN, DAMAGED)


def block_bytes(size: int) -> int:
    """The size of an input's blocks: some hundred blocks in an input of up to 1 GB, since each executor in a chain
    lags one block behind its source.
    """
    block = LEAST_BLOCK
    while block < USUAL_BLOCK and block * USUAL_BLOCKS * 2 <= size:
        block *= 2
    while block * MOST_BLOCKS < size:
        block *= 2
    return block


def blocks_in(size: int) -> int:
    return -(-size // block_bytes(size))


def file_token(secret: str, digest: str) -> str:
    """The token for one input at the peer with that secret, which only this peer and the scheduler know."""
    made = hmac.new(secret.encode(), f"input {digest}".encode(), "sha256").digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


@dataclass
class SourceRequest:
    """Where an executor is with an input, and where it would like the next bytes from."""

    have: int = 0
    """Bytes that it has verified, from the beginning of the input."""
    known: int = 0
    """Digests of blocks that it knows, from the first."""
    source: str = ""
    """The claim of the peer that it fetches from; empty for the scheduler, and at the beginning."""
    failed: str = ""
    """One of FAILURES if that peer failed."""
    address: str = ""
    """HOST:PORT where this executor serves peers; empty if it does not."""
    fingerprint: str = ""
    """SHA-256 of its certificate in DER form, hex; empty without TLS."""
    from_peers: int = 0
    from_scheduler: int = 0
    """Bytes that arrived so far, from each."""


@dataclass
class SourceAnswer:
    blocks: str = ""
    """base64: SHA-256 of the blocks after those that are known, at least one if any are unknown."""
    peer: str = ""
    """The claim to fetch from; empty for the scheduler."""
    url: str = ""
    fingerprint: str = ""
    token: str = ""

    def digests(self) -> bytes:
        """Raises WireError."""
        try:
            found = base64.b64decode(self.blocks, validate=True)
        except ValueError as e:
            raise WireError(f"blocks: not base64: {e}") from None
        if len(found) % DIGEST_BYTES:
            raise WireError("blocks: not digests")
        return found


_HEX = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Whether it is a SHA-256 in hex."""
    return bool(_HEX.fullmatch(text))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def load_source_request(raw: bytes) -> SourceRequest:
    """Parse and check an executor's request; raises WireError."""
    request: SourceRequest = fields_of(SourceRequest, parsed(raw, "request"), "request")
    if not all(map(_whole, (request.have, request.known, request.from_peers, request.from_scheduler))):
        raise WireError("request: have, known, from_peers, from_scheduler: whole numbers from 0 on")
    texts = (request.source, request.failed, request.address, request.fingerprint)
    if not all(isinstance(text, str) and len(text) < 200 and printable(text, 0) == text for text in texts):
        raise WireError("request: source, failed, address, fingerprint: short texts")
    if request.failed and request.failed not in FAILURES:
        raise WireError("request: unknown failure")
    if request.fingerprint and not is_digest(request.fingerprint):
        raise WireError("request: fingerprint is not a SHA-256")
    if request.address:
        try:
            split_address(request.address)
        except ValueError as e:
            raise WireError(f"request: {e}") from None
    return request


def load_source_answer(raw: bytes) -> SourceAnswer:
    """Parse the scheduler's answer; raises WireError."""
    answer: SourceAnswer = fields_of(SourceAnswer, parsed(raw, "answer"), "answer")
    if not all(isinstance(value, str) for value in vars(answer).values()):
        raise WireError("answer: texts")
    return answer
