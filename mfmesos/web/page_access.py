"""Who may see a page: whoever has its token, from a link, a cookie or a header."""
from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from mfmesos import aio
from mfmesos.web.remote_questions import SERVER

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src "
                               "'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Server": SERVER, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store"}


def guard(token: str, cookie: str) -> Middleware:
    """Only GET and HEAD, only with the token. A link with ?token= sets the cookie and leads to the page without it, so
    that the token stays in no history.
    """
    @aio.web.middleware
    async def guarded(request: aio.web.Request, handler: Handler) -> aio.web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return aio.web.Response(status=405, headers=HEADERS)
        given = request.query.get("token", "")
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        known = [given, request.cookies.get(cookie, ""), bearer if scheme.lower() == "bearer" else ""]
        if not any(hmac.compare_digest(one.encode("utf-8", "surrogatepass"), token.encode()) for one in known):
            return aio.web.Response(status=401, headers=HEADERS, text="401: open the link that mfmesos printed\n")
        if given and request.path == "/":
            found = aio.web.Response(status=303, headers={**HEADERS, "Location": "/"})
            found.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
            return found
        answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    return guarded
