"""Which request of an executor is answered by whom, and who may ask. Imports aiohttp."""
from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Callable

from mfmesos.aio import web
from mfmesos.shared.messages import streams as m
from mfmesos.staging.permits import Access, ClaimAccess, ClaimTable
from mfmesos.staging.refusals import Refused, refusal

log = logging.getLogger("mfmesos.staging")
Handler = Callable[[web.Request, ClaimAccess], Awaitable[web.StreamResponse]]
Plain = Callable[[web.Request], Awaitable[web.StreamResponse]]


def applications(
    handlers: Mapping[str, Handler], claims: ClaimTable, is_starting: Callable[[], bool], archive: Plain,
    most_bytes: int, ports: int,
) -> list[web.Application]:
    """The application of each port: of executors, and of the archive, if that has a port of its own.

    `handlers`: by method and the rest of the path after the claim. A request has at most `most_bytes`.
    """
    app = web.Application(client_max_size=most_bytes)
    for route, handler in handlers.items():
        method, path = route.split()
        app.router.add_route(method, f"/claims/{{claim}}/{path}", _guarded(handler, claims, is_starting))
    made = [app, web.Application()][:ports]
    made[-1].router.add_get("/archive/{token}/{name}", archive)
    return made


def _guarded(handler: Handler, claims: ClaimTable, is_starting: Callable[[], bool]) -> Plain:
    async def handle(request: web.Request) -> web.StreamResponse:
        claim_id = request.match_info["claim"]
        access = claims.check(claim_id, request.headers.get("Authorization", ""))
        claim = claims.get(claim_id)
        if access is Access.CLOSED:
            return refusal(request, 410, m.CLAIM_IS_CLOSED())
        if access is not Access.PERMITTED or claim is None:
            return refusal(request, 401, "")
        try:
            if is_starting():
                raise Refused(503, m.SCHEDULER_STARTING())
            return await handler(request, claim)
        except Refused as e:
            return refusal(request, e.status, e.reason)
        except (web.HTTPException, ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            # Not by aiohttp's own log, which may quote headers.
            log.exception("event=request_failed claim=%s method=%s", claim_id, request.method)
            return refusal(request, 500, m.REQUEST_FAILED())
    return handle
