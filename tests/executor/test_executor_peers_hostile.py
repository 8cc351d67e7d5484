"""Strangers, and thieves of one token, at the port where an executor serves its peers."""
from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mfmesos_executor import peer_server
from mfmesos_executor.arriving import Arriving
from mfmesos_executor.peer_server import MOST_STRANGERS, Held, PeerServer
from support import wait_until

from mfmesos.shared.peer_wire import file_token
from mfmesos.shared.wire import ClaimData
from mfmesos.staging.tls import peer_pem

CONTENT = b"the content of an input, " * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = "0" * 64
SECRET = "the-secret-of-this-claim"
GOOD = file_token(SECRET, DIGEST)


class Fort:
    """A server with one input in a folder."""

    def __init__(self, folder: Path, tls: bool = False, head_s: float = 10.0) -> None:
        (folder / "input").write_bytes(CONTENT)
        (folder / "secret").write_bytes(b"not for peers")
        self.folder = folder
        self.asked: list[str] = []
        data = ClaimData("", "c", "the-claims-token", peer_secret=SECRET, peer_pem=peer_pem() if tls else "")
        self.server = PeerServer("127.0.0.1", data, str(folder), self.hold, head_s)
        host, _, port = self.server.address.rpartition(":")
        self.address = (host, int(port))

    @contextlib.contextmanager
    def hold(self, digest: str) -> Iterator[Held | None]:
        self.asked.append(digest)
        if digest != DIGEST:
            yield None
            return
        with (self.folder / "input").open("rb", buffering=0) as f:
            yield Held(f, len(CONTENT), None)

    def send(self, raw: bytes, end: bool = True) -> bytes:
        """All that comes back."""
        with socket.create_connection(self.address, 10) as s:
            with contextlib.suppress(OSError):
                s.sendall(raw)
                if end:
                    s.shutdown(socket.SHUT_WR)
            return everything(s)

    def close(self) -> None:
        self.server.close()


def everything(s: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := s.recv(1 << 16):
            found += piece
    return found


@pytest.fixture
def fort(tmp_path: Path) -> Iterator[Fort]:
    made = Fort(tmp_path)
    yield made
    made.close()


def request(path: str = f"/inputs/{DIGEST}", *fields: str, token: str | None = GOOD, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *fields, *([f"Authorization: Bearer {token}"] if token else [])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def status(answer: bytes) -> int:
    """0 if there is none."""
    return int(answer[9:12]) if answer else 0


def test_with_its_token(fort: Fort) -> None:
    """An input, whole or from a byte on; then the connection ends."""
    head, _, body = fort.send(request()).partition(b"\r\n\r\n")
    assert body == CONTENT
    assert f"Content-Length: {len(CONTENT)}".encode() in head
    assert fort.send(request(f"/inputs/{DIGEST}", "Range: bytes=1000-")).partition(b"\r\n\r\n")[2] == CONTENT[1000:]
    assert fort.server.sent == 2 * len(CONTENT) - 1000


@pytest.mark.parametrize("token", [
    None, "", "x", GOOD[:-1], GOOD + "x", "the-claims-token", SECRET, file_token(SECRET, OTHER),
    file_token("another secret", DIGEST), "é" * 43])
def test_without_its_token(fort: Fort, token: str | None) -> None:
    """Nobody learns whether the input is here: it is not even looked for."""
    assert status(fort.send(request(token=token))) == 401
    assert status(fort.send(request(f"/inputs/{OTHER}", token=token))) in (401, 404)
    assert DIGEST not in fort.asked


@pytest.mark.parametrize("path", [
    "/", "/inputs", "/inputs/", "/inputs/..", f"/inputs/{DIGEST}/", f"/inputs/{DIGEST}?x", "/secret", "/inputs/secret",
    "/inputs/../secret", "/inputs/%2e%2e/secret", f"//inputs/{DIGEST}", f"/inputs/{DIGEST.upper()}", "/etc/passwd",
    f"/inputs/{DIGEST[:-1]}", f"/inputs/{DIGEST}\0"])
def test_no_other_path(fort: Fort, path: str) -> None:
    """Nothing is served but inputs by their digest; no path comes from a request."""
    assert status(fort.send(request(path))) in (400, 404)
    assert fort.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT"])
def test_no_other_method(fort: Fort, method: str) -> None:
    """Nothing is written."""
    assert status(fort.send(request(method=method))) == 405


@pytest.mark.parametrize("wanted", ["bytes=-5", "bytes=1-2", "bytes=0-,5-", "bytes=a-", "lines=1-", "bytes=" + "9" * 18
                                    + "-", "bytes=" + "9" * 40 + "-", f"bytes={len(CONTENT)}-", ""])
def test_ranges(fort: Fort, wanted: str) -> None:
    """Only from one byte on, which exists."""
    assert status(fort.send(request(f"/inputs/{DIGEST}", f"Range: {wanted}"))) == 416


@pytest.mark.parametrize("raw", [
    b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01" + bytes(200) + b"\r\n\r\n", request() [:-4],
    b"GET /inputs/x HTTP/1.0\r\n\r\n", request(f"/inputs/{DIGEST}", "Authorization: Bearer x"),
    request(f"/inputs/{DIGEST}", "no colon"), request(f"/inputs/{DIGEST}", "X: " + "y" * 5000), b"x" * 100_000,
    b"GET " + b"/" * 5000 + b" HTTP/1.1\r\n\r\n"])
def test_malformed_heads(fort: Fort, raw: bytes) -> None:
    """Refused, with at most 4 KB in memory."""
    assert status(fort.send(raw)) in (0, 400, 401, 404)
    assert status(fort.send(request())) == 206


def test_anything(fort: Fort) -> None:
    """Thousands of damaged requests: none gets content without the token, and no thread stays."""
    dice = random.Random(1)
    good = request(f"/inputs/{DIGEST}", "Range: bytes=5-", token="T" * 43)
    for _ in range(2000):
        raw = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(raw))
            raw[at:at + dice.randrange(3)] = bytes(dice.randrange(256) for _ in range(dice.randrange(3)))
        answer = fort.send(bytes(raw))
        assert status(answer) in (0, 400, 401, 404, 405, 416), (raw, answer[:100])
        assert b"content" not in answer
    assert fort.asked == []
    wait_until(lambda: peer_threads() == 0, 10, "the threads to end")
    assert status(fort.send(request())) == 206


def peer_threads() -> int:
    return sum(thread.name == "peer" for thread in threading.enumerate())


def test_silent_strangers(fort: Fort) -> None:
    """Hundreds of connections that say nothing keep nobody out, and take few threads: the oldest is closed."""
    silent = []
    try:
        for _ in range(300):
            silent.append(socket.create_connection(fort.address, 10))
            silent[-1].sendall(b"GET")
        assert status(fort.send(request())) == 206
        assert everything(silent[0]) == b""
        wait_until(lambda: peer_threads() <= MOST_STRANGERS, 10, "few threads")
    finally:
        for one in silent:
            one.close()


@pytest.mark.parametrize("tls", [False, True])
def test_heads_that_drip(tmp_path: Path, tls: bool) -> None:
    """A byte now and then does not extend the time for a head, nor for a handshake."""
    fort = Fort(tmp_path, tls, head_s=0.5)
    try:
        with socket.create_connection(fort.address, 10) as slow:
            stop = threading.Event()

            def drip() -> None:
                with contextlib.suppress(OSError):
                    for byte in b"\x16\x03\x01\x02\x00\x01" if tls else b"GET /inputs/":
                        slow.sendall(bytes([byte]))
                        stop.wait(0.3)
                    stop.wait(20)

            dripping = threading.Thread(target=drip)
            dripping.start()
            try:
                assert everything(slow) == b""
            finally:
                stop.set()
                dripping.join(10)
    finally:
        fort.close()


def test_tls_only(tmp_path: Path) -> None:
    """With a certificate nothing is served in the clear, and no key stays on the disk."""
    fort = Fort(tmp_path, tls=True)
    try:
        assert not fort.send(request()).startswith(b"HTTP")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(fort.address, 10) as plain, context.wrap_socket(plain) as secured:
            certificate = secured.getpeercert(binary_form=True) or b""
            assert hashlib.sha256(certificate).hexdigest() == fort.server.fingerprint
            secured.sendall(request())
            assert everything(secured).endswith(CONTENT)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["input", "secret"]
    finally:
        fort.close()


def test_a_reader_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a valid token, too: it is disconnected."""
    monkeypatch.setattr(peer_server, "SILENT_S", 0.3)
    fort = Fort(tmp_path)
    big = tmp_path / "big"
    big.write_bytes(bytes(64 << 20))

    @contextlib.contextmanager
    def hold(_: str) -> Iterator[Held | None]:
        with big.open("rb", buffering=0) as f:
            yield Held(f, 64 << 20, None)

    fort.server._hold = hold
    try:
        with socket.create_connection(fort.address, 10) as idle:
            idle.sendall(request())
            assert idle.recv(12) == b"HTTP/1.1 206"
            wait_until(lambda: peer_threads() == 0, 10, "the end of its thread")
    finally:
        fort.close()


def test_an_input_that_never_arrives(tmp_path: Path) -> None:
    """Its reader is cut off when its own transfer failed."""
    fort = Fort(tmp_path)
    arriving = Arriving(str(tmp_path / "part"), 1 << 20, False)

    @contextlib.contextmanager
    def hold(_: str) -> Iterator[Held | None]:
        with (tmp_path / "part").open("rb", buffering=0) as f:
            yield Held(f, 1 << 20, arriving)

    fort.server._hold = hold
    try:
        with socket.create_connection(fort.address, 10) as reader:
            reader.sendall(request())
            assert reader.recv(12) == b"HTTP/1.1 206"
            arriving.end()
            assert everything(reader).endswith(b"\r\n\r\n")
    finally:
        fort.close()


def test_the_port_closes_with_the_claim(fort: Fort) -> None:
    """Nothing listens after the end."""
    fort.server.close()

    def refused() -> bool:
        try:
            socket.create_connection(fort.address, 1).close()
        except OSError:
            return True
        return False

    wait_until(refused, 10, "a closed port")
