"""Requests of executors that are refused."""
from __future__ import annotations

from mfmesos import aio


class Refused(Exception):
    """The request, or one file of it, is answered with this status and one plain line."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def refusal(request: aio.web.Request, status: int, reason: str) -> aio.web.Response:
    text = " ".join(reason.split()).encode("utf-8", "backslashreplace")
    response = aio.web.Response(status=status, body=text + b"\n" if text else None, content_type="text/plain")
    if status == 401 or (request.can_read_body and not request.content.is_eof()):
        # Unknown clients keep no connection.
        # Unread data would be taken for the next request.
        response.force_close()
    return response
