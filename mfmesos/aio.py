"""The only module that imports aiohttp, whose import creates two TLS contexts with the certificates of all authorities
on this machine. Here it finds none, since no such server is contacted (docs/performance.md, Start-up).
"""
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
