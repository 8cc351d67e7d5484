"""Permits: the token of each claim, and the inputs that the claim may fetch."""
from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum

from mfmesos.core.model import StagedInput

REMEMBER_CLOSED = 4096


def derived_token(secret: bytes, purpose: str) -> str:
    """A token of 43 URL characters that nobody can guess without the secret; the same for the same purpose."""
    return base64.urlsafe_b64encode(hmac.digest(secret, purpose.encode(), "sha256")).decode().rstrip("=")


class Access(Enum):
    PERMITTED = "permitted"
    UNKNOWN = "unknown"
    """No such claim, or a wrong token: the two get the same answer."""
    CLOSED = "closed"


class ClaimAccess:
    """One open claim. `number` is that of its last answer."""

    def __init__(self, claim_id: str, token: str) -> None:
        self.id = claim_id
        self.token = token
        self.number = 0
        self.reading: list[asyncio.Task[bytes]] = []
        """Syncs that have not arrived completely, the oldest first."""
        self._files: dict[str, dict[str, tuple[StagedInput, int]]] = {}

    def permit(self, inputs: Sequence[StagedInput]) -> None:
        """The claim may fetch these inputs, until each permit was withdrawn as often as it was given."""
        for item in inputs:
            same = self._files.setdefault(item.digest, {})
            _, count = same.get(item.name, (item, 0))
            same[item.name] = (item, count + 1)

    def withdraw_permit(self, inputs: Sequence[StagedInput]) -> None:
        for item in inputs:
            same = self._files.get(item.digest, {})
            found, count = same.get(item.name, (item, 0))
            if count > 1:
                same[item.name] = (found, count - 1)
            else:
                same.pop(item.name, None)
                if not same:
                    self._files.pop(item.digest, None)

    def files(self, digest: str) -> list[StagedInput]:
        """The inputs with this content that the claim may fetch now; all are equivalent."""
        return [item for item, _ in self._files.get(digest, {}).values()]


class ClaimTable:
    """All open claims, and the tokens of the last closed claims.

    A claim's token is derived from the run's `secret`, so that a restarted scheduler knows it.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._open: dict[str, ClaimAccess] = {}
        self._closed: OrderedDict[str, str] = OrderedDict()
        self._nobody = secrets.token_urlsafe(32)

    def open(self, claim_id: str) -> str:
        """Returns the token."""
        claim = self._open.setdefault(claim_id, ClaimAccess(claim_id, derived_token(self._secret, f"claim {claim_id}")))
        self._closed.pop(claim_id, None)
        return claim.token

    def peer_secret(self, claim_id: str) -> str:
        """The secret that only this scheduler and the claim's executor know, for the tokens of peers."""
        return derived_token(self._secret, f"peer {claim_id}")

    def close(self, claim_id: str) -> None:
        claim = self._open.pop(claim_id, None)
        if claim is not None:
            self._closed[claim_id] = claim.token
            while len(self._closed) > REMEMBER_CLOSED:
                self._closed.popitem(last=False)

    def get(self, claim_id: str) -> ClaimAccess | None:
        return self._open.get(claim_id)

    def check(self, claim_id: str, authorization: str) -> Access:
        """Compare in constant time the Authorization header with the claim's token."""
        claim = self._open.get(claim_id)
        expected = claim.token if claim else self._closed.get(claim_id, self._nobody)
        same = hmac.compare_digest(authorization.encode("utf-8", "replace"), f"Bearer {expected}".encode())
        if not same:
            return Access.UNKNOWN
        return Access.PERMITTED if claim else Access.CLOSED
