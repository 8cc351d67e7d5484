"""The only place that imports aiohttp: as it is imported it makes two contexts for TLS, each with all certificates of
this machine's authorities, for 40 ms of each start. Nobody here asks a server that those would vouch for."""
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
