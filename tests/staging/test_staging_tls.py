"""TLS with a certificate that is known by its fingerprint, the archive's own routes, and addresses."""
from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from asyncio import sslproto
from pathlib import Path

import pytest
from staging_help import bench, files_tar

from mfmesos.shared.addresses import advertised, default_host, is_loopback, join_host_port, route_to, split_host_port
from mfmesos.shared.wire import SyncAnswer, SyncRequest
from mfmesos.staging import listener
from mfmesos.staging.server import StagingServer


async def never(_: str, __: SyncRequest) -> SyncAnswer:
    raise AssertionError("nobody syncs")


def fetch(url: str) -> tuple[int, bytes]:
    """GET as Mesos's fetcher does: no header of ours, no knowledge of certificates."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def test_pinned_fingerprint(tmp_path: Path) -> None:
    """A client that pins sees the announced certificate; plain http on that port gets nothing; no key stays on disk."""
    async def main() -> None:
        async with bench(tmp_path, tls=True) as b:
            assert b.server.url.startswith("https://")
            port = int(b.server.url.rsplit(":", 1)[1])
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert hashlib.sha256(certificate).hexdigest() == b.server.fingerprint
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /claims/c1/sync HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            assert [p.name for p in (tmp_path / ".mfmesos").rglob("*")] == ["incoming"]
    asyncio.run(main())


def test_everything_works_over_tls(tmp_path: Path) -> None:
    """A large input, a folder, outputs: as without it."""
    (tmp_path / "big").write_bytes(b"z" * 3_000_000)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"1")

    async def main() -> None:
        async with bench(tmp_path, tls=True) as b:
            staged = b.permit(inputs=("big", "d"))
            assert await b.call("GET", f"files/{staged[0].digest}") == (200, b"z" * 3_000_000)
            assert (await b.call("GET", f"files/{staged[1].digest}"))[0] == 200
            assert await b.put(files_tar(o=b"y" * 3_000_000)) == (204, "")
            b.server.publish_outputs("1.1")
            assert (tmp_path / "o").stat().st_size == 3_000_000
    asyncio.run(main())


def test_each_start_has_its_own_certificate(tmp_path: Path) -> None:
    """No key is kept from one run to the next."""
    seen = set()

    async def main() -> None:
        async with bench(tmp_path, tls=True) as b:
            seen.add(b.server.fingerprint)
    asyncio.run(main())
    asyncio.run(main())
    assert len(seen) == 2


@pytest.mark.parametrize("tls", [False, True])
def test_archive(tmp_path: Path, tls: bool) -> None:
    """The fetcher gets it by plain http, GET and HEAD, and nothing else by its path."""
    archive = tmp_path / "mfmesos-executor-abc.tar.gz"
    archive.write_bytes(b"archive" * 1000)

    async def main() -> None:
        async with bench(tmp_path, tls=tls) as b:
            b.server.archive.serve(archive)
            url = b.server.archive.url()
            assert url.startswith("http://")
            assert url.endswith("/mfmesos-executor-abc.tar.gz")
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, fetch, url) == (200, archive.read_bytes())
            for wrong in (url[:-1], url.replace("/archive/", "/archive/x"), url.rsplit("/", 1)[0],
                          url.rsplit("/", 2)[0] + "//mfmesos-executor-abc.tar.gz", url + "/../../x"):
                assert (await loop.run_in_executor(None, fetch, wrong))[0] == 404
            async with b.client.head(url) as answer:
                assert (answer.status, answer.headers["Content-Length"]) == (200, "7000")
                assert "Content-Encoding" not in answer.headers
            assert b.open() not in url
            if tls:
                plain = url.split("/archive/")[0]
                async with b.client.post(f"{plain}/claims/c1/sync", data=b"{}") as answer:
                    assert answer.status == 404
    asyncio.run(main())


def test_tls_off_loopback(tmp_path: Path) -> None:
    """With tls=None it is on exactly when something else than loopback is bound."""
    async def main() -> None:
        for host, scheme in (("127.0.0.1", "http"), ("localhost", "http"), ("0.0.0.0", "https")):
            server = StagingServer(tmp_path, never, tls=None)
            url = await server.start(host)
            assert url.startswith(f"{scheme}://")
            assert "0.0.0.0" not in url
            assert (server.fingerprint is not None) == (scheme == "https")
            await server.stop()
    asyncio.run(main())


def test_advertise(tmp_path: Path) -> None:
    """A host keeps the port that was bound, HOST:PORT is taken as it is; for TLS the archive has a port of its own."""
    async def main() -> None:
        for advertise, tls in (("head.example", False), ("head.example:8443", True), ("[2001:db8::1]:99", False)):
            server = StagingServer(tmp_path, never, tls=tls)
            url = await server.start(advertise=advertise)
            assert url == server.url
            if advertise == "head.example":
                assert url.startswith("http://head.example:")
                assert int(url.rsplit(":", 1)[1]) > 0
            else:
                assert url == ("https://" if tls else "http://") + advertise
            assert server.archive.url().startswith("http://" + ("head.example:" if "head" in advertise else "[2001"))
            await server.stop()
    asyncio.run(main())


@pytest.mark.parametrize(("master", "host"), [
    ("127.0.0.1:5050", "127.0.0.1"), ("localhost:5050", "127.0.0.1"), ("127.0.0.1:5050/", "127.0.0.1"),
    ("zk://127.0.0.1:2181/mesos", "127.0.0.1"), ("zk://user:word@127.0.0.1:2181,h:2181/mesos", "127.0.0.1"),
    ("[::1]:5050", "127.0.0.1"), ("127.0.0.1:1,127.0.0.1:2", "127.0.0.1"), ("", "127.0.0.1"), ("a:b:c", "127.0.0.1"),
    ("127.0.0.2", "127.0.0.1"),
])
def test_default_host(master: str, host: str) -> None:
    """Loopback for a master on loopback, however it is written, and where there is no route."""
    start = time.monotonic()
    assert default_host(master) == host
    assert time.monotonic() - start < 10


def test_default_host_is_that_of_the_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a master elsewhere: the address that packets to it leave from."""
    asked = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        asked.append((host, port))
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", ("192.0.2.7", port))]

    class Socket:
        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> Socket: return self
        def __exit__(self, *_: object) -> None: ...
        def connect(self, address: object) -> None: assert address == ("192.0.2.7", 5050)
        def getsockname(self) -> tuple[str, int]: return ("198.51.100.3", 1)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "socket", Socket)
    assert default_host("master.example:5050") == "198.51.100.3"
    assert asked == [("master.example", 5050)]


@pytest.mark.parametrize(("host", "routes", "dual", "shown"), [
    ("0.0.0.0", {"192.0.2.1": "198.51.100.3"}, True, "198.51.100.3"),
    ("0", {"192.0.2.1": "198.51.100.3"}, True, "198.51.100.3"),
    ("0.0.0.0", {}, True, "127.0.0.1"),
    ("::", {"192.0.2.1": "198.51.100.3", "2001:db8::1": "2001:db8::7"}, True, "198.51.100.3"),
    ("::", {"192.0.2.1": "198.51.100.3", "2001:db8::1": "2001:db8::7"}, False, "2001:db8::7"),
    ("0::0", {"2001:db8::1": "2001:db8::7"}, True, "2001:db8::7"),
    ("::", {}, False, "::1"),
    ("2001:db8::9", {}, True, "2001:db8::9"), ("10.0.0.1", {}, True, "10.0.0.1"),
    ("head.example", {}, True, "head.example"),
])
def test_advertised(
    host: str, routes: dict[str, str], dual: bool, shown: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What listens on every address is reached at one of them, of a kind that is listened to."""
    monkeypatch.setattr("mfmesos.shared.addresses.route_to", routes.get)
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: dual)
    assert advertised(host) == shown


@pytest.mark.parametrize("host", ["::", "0.0.0.0", ""])
def test_what_is_advertised_is_listened_to(host: str, tmp_path: Path) -> None:
    """Every address of this machine: the one that executors get is answered, and loopback of either kind."""
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")

    async def main() -> None:
        server = StagingServer(tmp_path, never, tls=False)
        try:
            shown, port = split_host_port((await server.start(host)).split("//")[1], 0)
            for one in (shown, "127.0.0.1", *(["::1"] if host == "::" else [])):
                _, writer = await asyncio.open_connection(one, port)
                writer.close()
        finally:
            await server.stop()
    asyncio.run(main())


def test_addresses() -> None:
    """Hosts and ports, IPv6 included."""
    assert split_host_port("h", 1) == ("h", 1)
    assert split_host_port("h:2", 1) == ("h", 2)
    assert split_host_port("[::1]:2", 1) == ("::1", 2)
    assert split_host_port("[::1]", 1) == ("::1", 1)
    assert split_host_port("::1", 1) == ("::1", 1)
    for bad in ("a:b:c", "h:", "h:x", "h:65536", "h:-1", "[::1", "[::1]x", "[h]:2", "[::1]:"):
        with pytest.raises(ValueError, match=r"port|PORT|IPv6"):
            split_host_port(bad, 1)
    assert join_host_port("::1", 2) == "[::1]:2"
    assert is_loopback("127.8.9.1")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example.org")
    assert route_to("127.0.0.1") == "127.0.0.1"


def test_a_connection_takes_little_memory():
    """A thousand executors have two each: asyncio's own buffers would be half a gigabyte."""
    async def buffer() -> int:
        loop = asyncio.get_running_loop()
        made = sslproto.SSLProtocol(
            loop, asyncio.Protocol(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), loop.create_future(), server_side=True)
        return len(getattr(made, "_ssl_buffer", b""))  # before Python 3.11 there is none

    assert asyncio.run(buffer()) <= listener.TLS_READ_BYTES == 65536
