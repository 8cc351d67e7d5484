"""Asks the page of a run (see remote_questions), for commands on another machine or without the run's folder."""
from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

from mfmesos.control.control_client import ControlError, NotAlive
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.plainerrors import reason
from mfmesos.store.run_reading import NoRecord
from mfmesos.store.run_tables import RecordError
from mfmesos.web.remote_questions import RECORD, SCHEDULER, SERVER

ANSWER_S = 20.0
"""A page waits for its scheduler for 10 s."""
MOST_BYTES = 64 * 1024 * 1024


class PageError(ControlError, RecordError):
    """No page of mfmesos answers, or it refuses: one line without the token. Nothing can be asked."""


class PageClient:
    """`url`: of the page, without a token."""

    def __init__(self, url: str, token: str, answer_s: float = ANSWER_S) -> None:
        parts = urlsplit(url)
        self._url, self._token = url, token
        self.folder = ""
        """Of the run, on the machine of its page; known after an answer."""
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=answer_s)

    def asked(self, name: str, **more: Any) -> Any:
        """The scheduler's answer. Raises ControlError."""
        return self._answer(SCHEDULER, {"ask": name, **more}, NotAlive, ControlError)

    def recorded(self, name: str, **more: Any) -> Any:
        """The record's answer. Raises RecordError."""
        return self._answer(RECORD, {"ask": name, **more}, NoRecord, RecordError)

    def path(self, name: str) -> str:
        """For messages, of a file in the run's folder."""
        return f"{self.folder}/{name}"

    def close(self) -> None:
        self._connection.close()

    def _answer(self, whom: str, question: dict[str, Any], none: type[Exception], other: type[Exception]) -> Any:
        found = self._got(f"/api/{whom}?question={quote(json.dumps(question), safe='')}")
        self.folder = str(found.get("folder", ""))
        if "error" in found:
            raise (none if found.get("none") else other)(str(found["error"]))
        return found.get("answer")

    def _got(self, path: str) -> dict[str, Any]:
        """No redirect is followed and no proxy is asked: the token is for the page alone."""
        try:
            self._connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            answer = self._connection.getresponse()
            data = answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as e:
            self._connection.close()
            if isinstance(e, OSError):
                raise PageError(m.PAGE_NO_ANSWER(url=self._url, why=reason(e))) from None
            raise PageError(m.PAGE_FOREIGN(url=self._url)) from None
        if answer.getheader("Server") != SERVER:
            raise PageError(m.PAGE_FOREIGN(url=self._url))
        if answer.status == 401:
            raise PageError(m.PAGE_TOKEN_WRONG(url=self._url))
        try:
            found = json.loads(data) if answer.status == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise PageError(m.PAGE_REFUSES(url=self._url, status=answer.status))
        return found
