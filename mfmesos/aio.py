"""The only place that imports aiohttp, whose import makes two TLS contexts with the certificates of all this machine's
authorities. Here it finds none: no server is asked that they would vouch for (docs/performance.md, Start-up)."""
from __future__ import annotations

import os

__all__ = ["aiohttp", "web"]


def _import_quickly() -> None:
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        import aiohttp.web  # noqa: F401  what counts is that it is there
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_import_quickly()

import aiohttp  # noqa: E402  it is there by now; a plain import for the sake of its types
from aiohttp import web  # noqa: E402
