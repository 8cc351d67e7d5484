"""The only module that imports aiohttp, when `web` or `aiohttp` is first used: `from mfmesos import aio`.

The scheduler needs it when the first agent fetches the executor, and imports it on a thread meanwhile (`load`). aiohttp
creates two TLS contexts at its import, each with the certificates of all authorities on this machine; here they get
none, since no such server is contacted (docs/performance.md, Start-up).
"""
from __future__ import annotations

import importlib
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp as aiohttp
    from aiohttp import web as web

_LOADING = threading.Lock()
SWITCH_S = 0.0005
"""While the import computes, other threads get their turns after this time, not only after Python's 5 ms: each of their
calls of the system would cost them so much.
"""


def load() -> None:
    """Import aiohttp. From any thread."""
    with _LOADING:
        if "web" in globals():
            return
        thread, real, pace = threading.get_ident(), ssl.create_default_context, sys.getswitchinterval()

        def without_authorities(*args: Any, **options: Any) -> ssl.SSLContext:
            if threading.get_ident() != thread:  # somebody else's, meanwhile
                return real(*args, **options)
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        ssl.create_default_context = without_authorities
        sys.setswitchinterval(SWITCH_S)
        try:
            globals().update(web=importlib.import_module("aiohttp.web"), aiohttp=importlib.import_module("aiohttp"))
        finally:
            ssl.create_default_context = real
            sys.setswitchinterval(pace)


if not TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        if name not in ("web", "aiohttp"):
            raise AttributeError(name)
        load()
        return globals()[name]
