"""A web server for tests of "url" inputs: real HTTP or HTTPS on loopback; each page says how it misbehaves."""
from __future__ import annotations

import datetime
import ipaddress
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Page:
    content: bytes = b""
    etag: str = ""
    modified: str = ""
    location: str = ""
    """Where the page redirects to."""
    ranges: bool = True
    head: int = 200
    """The status of a HEAD."""
    length: bool = True
    statuses: list[int] = field(default_factory=list)
    """Of the next requests, before it works."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of a body the next connections break."""
    wait: threading.Event | None = None
    """No answer before."""
    etags: list[str] = field(default_factory=list)
    """Those of the next answers, before `etag`."""
    user: str = ""
    """USER:PASSWORD in base64, without which it answers 401."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]


class WebServer:
    """`url` is its address, without a slash at the end."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.open = 0
        self.most_open = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer._answer(self)

            def do_HEAD(self) -> None:
                outer._answer(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *args: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """From now on nothing listens at its port."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, method: str = "", path: str = "") -> list[Request]:
        with self._lock:
            return [r for r in self.requests if method in ("", r.method) and path in ("", r.path)]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.requests.append(Request(handler.command, handler.path, dict(handler.headers)))
            self.open += 1
            self.most_open = max(self.open, self.most_open)
        try:
            self._send(handler)
        finally:
            with self._lock:
                self.open -= 1

    def _send(self, handler: BaseHTTPRequestHandler) -> None:
        page = self.pages.get(handler.path.split("?")[0])
        while page is not None and page.wait is not None and not page.wait.wait(0.05):
            if self._over.is_set():
                return
        if page is None:
            self._end(handler, 404)
        elif page.user and handler.headers.get("Authorization") != f"Basic {page.user}":
            self._end(handler, 401)
        elif page.statuses:
            self._end(handler, page.statuses.pop(0))
        elif page.location:
            self._end(handler, 302, page.location)
        elif handler.command == "HEAD" and page.head != 200:
            self._end(handler, page.head)
        else:
            self._send_body(handler, page)

    @staticmethod
    def _end(handler: BaseHTTPRequestHandler, status: int, location: str = "") -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        if location:
            handler.send_header("Location", location)
        handler.end_headers()

    @staticmethod
    def _send_body(handler: BaseHTTPRequestHandler, page: Page) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", "")) if page.ranges else None
        start = int(wanted[1]) if wanted else 0
        end = min(int(wanted[2]) + 1 if wanted and wanted[2] else len(page.content), len(page.content))
        if wanted and start >= len(page.content):
            WebServer._end(handler, 416)
            return
        handler.send_response(206 if wanted else 200)
        for name, value in (("ETag", page.etags.pop(0) if page.etags else page.etag), ("Last-Modified", page.modified)):
            if value:
                handler.send_header(name, value)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(page.content)}")
        if page.length:
            handler.send_header("Content-Length", str(end - start))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        if handler.command == "HEAD":
            return
        cut = page.cuts.pop(0) if page.cuts else end - start
        handler.wfile.write(page.content[start:start + min(cut, end - start)])
        handler.close_connection = handler.close_connection or cut < end - start or not page.length


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    server = WebServer(tls)
    try:
        yield server
    finally:
        server.stop()


def authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that is its own authority: the file to trust, and the server's context."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    trusted = folder / "trusted.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "server.pem"
    private.write_bytes(trusted.read_bytes() + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(private)
    return trusted, context
