"""Messages about files on web servers ("url" inputs). They name a URL without user, password and query. This module
travels to the agents: Python 3.8 or newer."""
from __future__ import annotations

from mfmesos.shared.messages.message import Message

_PART = "Part of input-not-fetched, of input-not-asked or of input-not-compared."
_CHANGED = "The file on the web server was replaced during the run: a run uses one version of a file."
_CURE = "run again, or give the input's sha256"

NO_ANSWER = Message("no-answer", "{url}: {why}", f"{_PART} The server does not answer, or its name is unknown.")
ANSWER_REFUSED = Message(
    "answer-refused", "{url}: HTTP {status} ({why})", f"{_PART} The server answers, but does not send the file.")
REDIRECT_REFUSED = Message(
    "redirect-refused", "{url}: redirected to {to}, which is not followed",
    f"{_PART} Redirects lead to http and https only, and never from https to http.")
REDIRECTED_TOO_OFTEN = Message(
    "redirected-too-often", "{url}: redirected more than {most} times", f"{_PART} The server redirects in a circle.")
BODY_CUT_SHORT = Message(
    "body-cut-short", "{url}: the connection ended after {received} of {size} bytes", _PART)
RANGE_NOT_KEPT = Message(
    "range-not-kept", "{url}: the server continued at another place than requested", _PART)
OTHER_SHA256 = Message(
    "other-sha256", "{url}: its sha256 is {found}, not {wanted}",
    "The server has another file than the task file names.", "correct the sha256 or the URL")
OTHER_VERSION = Message(
    "other-version", "{url}: changed on the server since its task was submitted ({found} instead of {wanted}); {cure}",
    _CHANGED, _CURE)
VERSION = Message("version", "{tag}, {size} bytes", "Part of other-version.")
VERSION_WITHOUT_SIZE = Message("version-without-size", "{tag}", "Part of other-version.")
NO_VERSION = Message(
    "no-version", "{url}: the server sends neither ETag nor Last-Modified, so changes would not be noticed; {cure}",
    "Without either, a rerun cannot find out whether the file is still the same.", "give the input's sha256")
