"""Files on web servers: which URLs are valid, how messages name them, and one request with its redirects.

Proxies (http_proxy, https_proxy, no_proxy) and trusted certificates are those of the machine that asks. urllib.request
is imported late: only runs with "url" inputs need it.
"""
from __future__ import annotations

import base64
import re
from enum import Enum
from typing import Any, Mapping, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from mfmesos.shared import plainerrors
from mfmesos.shared.messages import webfiles as m
from mfmesos.shared.phrases import printable

SCHEMES = ("http", "https")
MOST_REDIRECTS = 10
UNKNOWN = -1
"""A size that the server does not send."""
LONGEST_SHOWN = 200
LONGEST_TAG = 500
_ASCII = "".join(map(chr, range(33, 127)))
_HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]")
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_LATER = (408, 425, 429)
_PROXY_WANTS_PASSWORD = 407
_REDIRECTS = (301, 302, 303, 307, 308)


class Hope(Enum):
    """Where another try may succeed."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"


class WebError(Exception):
    """No answer, or a refusal; one line without credentials. `status`: of HTTP, 0 without an answer."""

    def __init__(self, text: str, hope: Hope, status: int = 0) -> None:
        super().__init__(text)
        self.hope = hope
        self.status = status


class Version(NamedTuple):
    """What tells one version of a file from another: its ETag, otherwise its Last-Modified, and its size."""

    tag: str
    """Empty if the server sends neither."""
    size: int = UNKNOWN

    def __str__(self) -> str:
        tag = printable(self.tag, 60)
        return m.VERSION_WITHOUT_SIZE(tag=tag) if self.size == UNKNOWN else m.VERSION(tag=tag, size=self.size)

    def is_same(self, other: Version) -> bool:
        return self.tag == other.tag and (UNKNOWN in (self.size, other.size) or self.size == other.size)


def scheme(url: str) -> str:
    """In lower case; empty without one."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    return found[1].lower() if found else ""


def is_valid(url: str) -> bool:
    """Whether it is a whole http or https URL that every program takes apart in the same way."""
    if any(c <= " " or c in "\\\x7f" or not c.isprintable() for c in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        bare = host[:-len(f":{parts.port}")] if parts.port is not None else host.rstrip(":")
        return parts.scheme in SCHEMES and bool(_HOST.fullmatch(bare)) and bool(_ascii_host(host))
    except ValueError:
        return False


def shown(url: str) -> str:
    """For messages: without user, password and query, which may be secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return scheme(url)
    host = parts.netloc.rpartition("@")[2]
    return printable(f"{parts.scheme}://{host}{parts.path}{'?...' if parts.query else ''}", LONGEST_SHOWN)


def public(url: str) -> str:
    """Without user and password, and in ASCII as it is sent: what tells files apart."""
    parts = urlsplit(url)
    host = _ascii_host(parts.netloc.rpartition("@")[2])
    return quote(parts._replace(netloc=host, fragment="").geturl(), safe=_ASCII)


def _ascii_host(host: str) -> str:
    """Raises ValueError (UnicodeError) for a name that DNS does not have."""
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _authorization(url: str) -> str:
    """The header for the user and password in the URL; empty if it has none."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at:
        return ""
    name, _, password = user.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode("ascii")


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def server(url: str) -> str:
    """The server's name and port, without credentials."""
    return "://".join(_origin(url))


def request(method: str, url: str, headers: Mapping[str, str], timeout_s: float) -> Any:
    """The answer of status 200 or 206, an http.client.HTTPResponse whose body is unread: close it. `timeout_s` bounds
    the connecting and each read. Raises WebError.
    """
    opener, asked = _opener(), url
    for _ in range(MOST_REDIRECTS + 1):
        answer = _once(opener, method, url, asked, headers, timeout_s)
        if answer.status not in _REDIRECTS:
            return _checked(answer, url)
        answer.close()
        asked = _redirected(url, asked, answer.headers.get("Location") or "")
    raise WebError(m.REDIRECTED_TOO_OFTEN(url=shown(url), most=MOST_REDIRECTS), Hope.NOWHERE)


def _opener() -> Any:
    """Like urllib's own, but it follows no redirect, and every answer is returned, whatever its status."""
    from urllib import request as library

    opener = library.OpenerDirector()
    opener.addheaders = [("User-Agent", "mfmesos")]
    for handler in (library.ProxyHandler(), library.HTTPHandler(), library.HTTPSHandler(), library.UnknownHandler()):
        opener.add_handler(handler)
    return opener


def _once(opener: Any, method: str, url: str, asked: str, headers: Mapping[str, str], timeout_s: float) -> Any:
    from http.client import HTTPException
    from ssl import SSLCertVerificationError
    from urllib.request import Request

    wanted = Request(public(asked), headers={"Accept-Encoding": "identity", **headers}, method=method)
    # A password is for its own server alone.
    secret = _authorization(asked) or (_authorization(url) if _origin(url) == _origin(asked) else "")
    if secret:
        wanted.add_unredirected_header("Authorization", secret)
    try:
        return opener.open(wanted, timeout=timeout_s)
    except (OSError, HTTPException) as e:
        cause = getattr(e, "reason", e)
        hope = Hope.ELSEWHERE if isinstance(cause, SSLCertVerificationError) else Hope.HERE
        raise WebError(_why(url, cause), hope) from None


def _why(url: str, cause: Any) -> str:
    why = plainerrors.reason(cause) if isinstance(cause, BaseException) else str(cause)
    return m.NO_ANSWER(url=shown(url), why=printable(why, LONGEST_SHOWN, instead=" "))


def _redirected(url: str, asked: str, location: str) -> str:
    try:
        to = urljoin(asked, location.strip())
    except ValueError:
        to = ""
    to = quote(to, safe=_ASCII)
    if not location or not is_valid(to) or (scheme(asked) == "https" and scheme(to) != "https"):
        raise WebError(m.REDIRECT_REFUSED(url=shown(url), to=shown(to)), Hope.NOWHERE)
    return to


def _checked(answer: Any, url: str) -> Any:
    status = answer.status
    if status in (200, 206):
        return answer
    answer.close()
    later = status >= 500 or status in _LATER
    hope = Hope.HERE if later else Hope.ELSEWHERE if status == _PROXY_WANTS_PASSWORD else Hope.NOWHERE
    why = printable(str(answer.reason or ""), 60, instead=" ") or "?"
    raise WebError(m.ANSWER_REFUSED(url=shown(url), status=status, why=why), hope, status)


def read(answer: Any, size: int, url: str) -> bytes:
    """Up to `size` bytes of the body; empty at its end. Raises WebError."""
    from http.client import HTTPException

    try:
        piece: bytes = answer.read(size)
        return piece
    except (OSError, HTTPException) as e:
        raise WebError(_why(url, e), Hope.HERE) from None


def version_of(answer: Any) -> Version:
    """Of the whole file, whether the answer holds all of it or a part. A weak ETag counts like a strong one: the size
    is compared as well.
    """
    tag = (answer.headers.get("ETag") or "").strip()
    tag = tag[2:] if tag.startswith("W/") else tag
    modified = answer.headers.get("Last-Modified")
    if not tag and modified:
        tag = f"Last-Modified {modified.strip()}"
    return Version(tag[:LONGEST_TAG], _size(answer))


def _size(answer: Any) -> int:
    if answer.status == 206:
        _, total = part_of(answer)
        return total
    length = answer.headers.get("Content-Length") or ""
    return int(length) if re.fullmatch(r"\d{1,18}", length) else UNKNOWN


def part_of(answer: Any) -> tuple[int, int]:
    """Where the body of a 206 begins, and the size of the whole file; UNKNOWN for what is not sent."""
    found = _RANGE.fullmatch((answer.headers.get("Content-Range") or "").strip())
    if found is None:
        return UNKNOWN, UNKNOWN
    start, total = found.groups()
    return int(start or UNKNOWN), UNKNOWN if total == "*" else int(total)
