"""aiohttp comes through one module, which spares each start the certificates that nobody here needs."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mfmesos

CODE = """
import os, ssl, sys, mfmesos.scheduler.scheduler
assert "aiohttp" not in sys.modules, "imported before it is needed"
usual = ssl.create_default_context
from mfmesos import aio
aio.web
assert ssl.create_default_context is usual
import aiohttp.connector
print(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"),
      aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"])
"""


@pytest.mark.parametrize(("file", "shown"), [(None, "None"), ("/etc/my.pem", "/etc/my.pem")])
def test_no_certificates_are_read_and_the_environment_is_as_before(file, shown):
    """Also where the user has set one of the variables. And aiohttp is not imported before it is needed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT")}
    if file is not None:
        environ["SSL_CERT_FILE"] = file
    done = subprocess.run([sys.executable, "-c", CODE], env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [shown, "None", "0"], done.stderr


def test_nobody_else_imports_it():
    """Or the order of imports would decide."""
    root = Path(mfmesos.__file__).parent
    others = [path for path in root.rglob("*.py") if path.name != "aio.py"]
    assert [p for p in others if re.search(r"^(from|import) aiohttp", p.read_text(), re.MULTILINE)] == []
