"""The HTTP servers of the embedded cluster: one application for the master, one per agent."""
from __future__ import annotations

import json
import logging
import weakref
from collections.abc import Awaitable
from typing import Any, Callable, Protocol

from mfmesos.aio import web
from mfmesos.local import access, role_pages, sandbox_files, state_pages
from mfmesos.local.agent import Agent, CallError
from mfmesos.local.faults import Faults
from mfmesos.local.framework_calls import SchedulerCalls
from mfmesos.local.master import Master
from mfmesos.local.operator import OperatorCalls
from mfmesos.local.validation import Refused, executor_call, scheduler_call

log = logging.getLogger(__name__)
MAX_BODY = 64 * 1024 * 1024
OPEN_PATHS = ("/health", "/version", "/redirect", "/master/health", "/master/redirect")
"""Paths that reveal nothing and change nothing need no credential."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _text(status: int, text: str = "") -> web.Response:
    return web.Response(status=status, text=text)


def _same_user() -> Any:
    """Refuses connections of other users of this machine; queries the kernel once per connection."""
    known: weakref.WeakSet[Any] = weakref.WeakSet()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return _text(400)
        if transport not in known:
            peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
            if not access.may_connect(peer[1], own[1]):
                return _text(403, "This cluster serves only the user who started it")
            known.add(transport)
        return await handler(request)

    return check


class Served(Protocol):
    """What is answered for: a cluster's parts."""

    leader: Master
    calls: SchedulerCalls
    operator: OperatorCalls
    faults: Faults
    credential: access.Credential | None
    allow_faults: bool


def _basic(cluster: Served) -> Any:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        credential = cluster.credential
        if (credential is None or request.path in OPEN_PATHS
                or credential.matches(request.headers.get("Authorization"))):
            return await handler(request)
        return web.Response(status=401, text="Unauthorized", headers={
            "WWW-Authenticate": 'Basic realm="mesos-master-scheduler"'})

    return check


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal has Mesos's form; an internal error is a 500 with its name, never a dead connection."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return _text(404, "404 Not Found.")
    except web.HTTPMethodNotAllowed as e:
        allowed = ", ".join(f"'{m}'" for m in sorted(e.allowed_methods))
        return _text(405, f"405 Method Not Allowed. Expecting one of {{ {allowed} }}, but received '{e.method}'.")
    except (Refused, CallError) as e:
        return _text(400, str(e))
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        log.exception("bad call path=%s", request.path)
        return _text(400, f"Failed to parse the call: {type(e).__name__} {e}")


async def _json(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="Expecting 'Content-Type' of application/json")
    try:
        return json.loads(await request.read())
    except ValueError as e:
        raise Refused(f"Failed to parse body into JSON: {e}") from None


def _application(middlewares: list[Any]) -> web.Application:
    return web.Application(middlewares=[_same_user(), *middlewares, _errors], client_max_size=MAX_BODY)


# --- master -------------------------------------------------------------------------------------
def master_application(cluster: Served) -> web.Application:
    async def scheduler(request: web.Request) -> web.StreamResponse:
        call = scheduler_call(await _json(request))
        master = cluster.leader
        if call["type"] == "SUBSCRIBE":
            principal = call["subscribe"]["framework_info"].get("principal")
            if cluster.credential and principal not in (None, cluster.credential.principal):
                raise Refused(f"Framework principal '{principal}' is not the authenticated principal")
            stream = master.subscribe(call)
            return await stream.serve(request, master.stream_closed, {"Mesos-Stream-Id": stream.id})
        framework = master.framework_of(call, request.headers.get("Mesos-Stream-Id"))
        cluster.calls.handle(framework, call)
        return web.Response(status=202)

    async def operate(request: web.Request) -> web.StreamResponse:
        answer = cluster.operator.handle(await _json(request))
        return web.Response(status=202) if answer is None else web.json_response(answer)

    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"//localhost:{cluster.leader.port}"})

    async def fault(request: web.Request) -> web.StreamResponse:
        if not cluster.allow_faults:
            raise web.HTTPNotFound
        return web.json_response(await cluster.faults.by_name(await _json(request)))

    app = _application([_basic(cluster)])
    app.router.add_post("/api/v1/scheduler", scheduler)
    app.router.add_post("/api/v1", operate)
    app.router.add_post("/faults", fault)
    for prefix in ("", "/master"):
        app.router.add_get(f"{prefix}/state", _view(lambda _: state_pages.master_state(cluster.leader)))
        app.router.add_get(f"{prefix}/state-summary", _view(lambda _: state_pages.summary(cluster.leader)))
        app.router.add_get(f"{prefix}/roles", _view(lambda _: role_pages.roles(cluster.leader)))
        app.router.add_get(f"{prefix}/slaves", _view(lambda _: state_pages.slaves(cluster.leader)))
        app.router.add_get(f"{prefix}/health", _empty)
        app.router.add_get(f"{prefix}/redirect", redirect)
    app.router.add_get("/version", _view(lambda _: state_pages.BUILD))
    app.router.add_get("/metrics/snapshot", _view(lambda _: role_pages.metrics(cluster.leader)))
    return app


def _view(make: Callable[[web.Request], Any]) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        return web.json_response(make(request))

    return show


async def _empty(_: web.Request) -> web.StreamResponse:
    return web.Response()


# --- agents -------------------------------------------------------------------------------------
def agent_application(agent: Agent) -> web.Application:
    async def executor(request: web.Request) -> web.StreamResponse:
        call = executor_call(await _json(request))
        if call["type"] == "SUBSCRIBE":
            stream = agent.subscribe(call)
            return await stream.serve(request, agent.stream_closed, {})
        agent.executor_call(call)
        return web.Response(status=202)

    app = _application([])
    for prefix in ("", f"/slave({agent.number})"):
        app.router.add_post(f"{prefix}/api/v1/executor", executor)
        app.router.add_get(f"{prefix}/state", _view(lambda _: state_pages.agent_state(agent)))
        app.router.add_get(f"{prefix}/health", _empty)
    app.router.add_get("/version", _view(lambda _: state_pages.BUILD))
    _add_files(app, agent)
    return app


def _add_files(app: web.Application, agent: Agent) -> None:
    def wanted(request: web.Request) -> Any:
        if "path" not in request.query:
            raise Refused("Expecting 'path=value' in query.")
        found = sandbox_files.resolve(agent, request.query["path"])
        if found is None:
            raise web.HTTPNotFound
        return found

    async def browse(request: web.Request) -> web.StreamResponse:
        folder = wanted(request)
        if not folder.is_dir():
            raise web.HTTPNotFound
        return web.json_response([sandbox_files.entry(p) for p in sorted(folder.iterdir())])

    async def read(request: web.Request) -> web.StreamResponse:
        path = wanted(request)
        if not path.is_file():
            raise Refused("Cannot read a directory.")
        offset, length = int(request.query.get("offset", -1)), int(request.query.get("length", -1))
        return web.json_response(sandbox_files.read(path, offset, length))

    async def download(request: web.Request) -> web.StreamResponse:
        path = wanted(request)
        if not path.is_file():
            raise Refused("Cannot download a directory.")
        return web.FileResponse(path, headers={
            "Content-Type": "application/octet-stream", "Content-Disposition": f"attachment; filename={path.name}"})

    for name, handler in (("browse", browse), ("read", read), ("download", download)):
        app.router.add_get(f"/files/{name}", handler)
        app.router.add_get(f"/files/{name}.json", handler)
