"""The TLS of our own servers, on the scheduler's machine and on agents."""
from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Any


def server_context(pem: str, folder: str) -> tuple[Any, str]:
    """An ssl.SSLContext with that key and certificate (PEM), and the sha256 of the certificate in DER form (hex). Both
    PEM parts are in a file (0600, in `folder`) only while OpenSSL loads them. Raises OSError, ValueError.
    """
    import hashlib
    import ssl  # a slow import, which most executors do not need

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    fd, path = tempfile.mkstemp(prefix=".tls-", dir=folder)
    try:
        with os.fdopen(fd, "w") as f:
            f.write(pem)
        context.load_cert_chain(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE"):])
    return context, hashlib.sha256(der).hexdigest()
