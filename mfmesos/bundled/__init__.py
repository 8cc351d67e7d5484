"""Packages that a built mfmesos carries unchanged: pymesos, and the pure Python http_parser that it imports.

pymesos requires the distribution `http-parser`, whose last release does not build on Python 3.11 and newer, so that a
plain `pip install` could not succeed. `tools/bundle.py` puts both here when a package is built; the repository holds no
copy. In a working copy without them the installed packages are used (see tools/setup-venv).
"""
from __future__ import annotations

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def carries(package: str) -> bool:
    """Whether this mfmesos was built with that package."""
    return os.path.isdir(os.path.join(_HERE, package))


def use() -> None:
    """Let `import pymesos` and `import http_parser` find the bundled packages; a no-op without them."""
    if _HERE not in sys.path and carries("pymesos"):
        sys.path.insert(0, _HERE)
