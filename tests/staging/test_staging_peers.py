"""Where to fetch a large input: what the staging server answers, and to whom."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from staging_help import Bench, run

from mfmesos.shared import peer_wire
from mfmesos.shared.peer_wire import SourceAnswer, SourceRequest, file_token, load_source_answer
from mfmesos.shared.wire import dumps
from mfmesos.staging import blocks

CONTENT = bytes(range(256)) * 13_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
BLOCK = peer_wire.block_bytes(len(CONTENT))
DIGESTS = b"".join(hashlib.sha256(CONTENT[at:at + BLOCK]).digest() for at in range(0, len(CONTENT), BLOCK))


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    (tmp_path / "big").write_bytes(CONTENT)
    return tmp_path


async def ask(b: Bench, claim: str = "c1", digest: str = DIGEST, token: str | None = None, **fields: Any) -> Any:
    """Status and answer, or the refusal."""
    status, raw = await b.call("POST", f"sources/{digest}", claim, token, data=dumps(SourceRequest(**fields)))
    return status, (load_source_answer(raw) if status == 200 else raw.decode().strip())


def peers(workdir: Path, test: Any, **settings: Any) -> None:
    run(workdir, test, peer_transfers=True, **settings)


def test_the_first_and_the_second(workdir: Path) -> None:
    """The digests of all blocks; the first is sent to the scheduler, the second to the first, with a token for it."""
    async def test(b: Bench) -> None:
        for number, claim in enumerate(("c1", "c2")):
            b.permit(f"{number}.1", (f"o{number}",), ("big",), claim)
        status, answer = await ask(b, address="127.0.0.1:7001")
        assert status == 200
        assert answer.digests() == DIGESTS
        assert answer == SourceAnswer(answer.blocks)
        status, answer = await ask(b, "c2", known=len(DIGESTS) // 32 - 1)
        assert answer.digests() == DIGESTS[-32:]
        secret, pem = b.server.peer_keys("c1")
        assert pem == ""
        assert (answer.peer, answer.url, answer.token) == (
            "c1", "http://127.0.0.1:7001", file_token(secret, DIGEST))
        assert secret not in str(answer)
    peers(workdir, test)


def test_only_for_inputs_of_this_claim(workdir: Path) -> None:
    """The claim's own token, and a permit for the input, as for fetching it."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        b.open("c2")
        assert (await ask(b, token="x"))[0] == 401
        assert (await ask(b, "c2", token=b.tokens["c1"]))[0] == 401
        assert (await ask(b, "c2"))[0] == 404
        assert (await ask(b, digest="0" * 64))[0] == 404
        b.server.withdraw_permit("c1", "1.1")
        assert (await ask(b))[0] == 404
        b.server.close_claim("c1")
        assert (await ask(b))[0] == 410
    peers(workdir, test)


@pytest.mark.parametrize(("raw", "status"), [
    (b"", 400), (b"[1]", 400), (b"{" * 4000, 400), (b"[" * 4000, 400), (b"x" * 5000, 413),
    (json.dumps({"have": -1}).encode(), 400), (json.dumps({"address": "nowhere"}).encode(), 400)])
def test_malformed_requests(workdir: Path, raw: bytes, status: int) -> None:
    """Each is refused in one line."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        found, text = await b.call("POST", f"sources/{DIGEST}", data=raw)
        assert found == status
        assert text.count(b"\n") == 1
    peers(workdir, test)


@pytest.mark.parametrize("address", [
    "192.0.2.1:80", "0.0.0.0:80", "[::]:80", "224.0.0.1:80", "example.com:80", "[::1%lo]:80", "127.0.0.2:80"])
def test_nobody_is_led_astray(workdir: Path, address: str) -> None:
    """A thief of a token cannot have executors elsewhere connect to an address that is not the thief's own."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        assert (await ask(b, address=address))[0] == 200
        serving = b.server._peers.tracker.serving("c1")
        assert serving is None or serving.site == "127.0.0.1"
        b.server._peers.tracker.introduce("elsewhere", None, "192.0.2.9")
        assert b.server._peers.tracker.ask("elsewhere", DIGEST, len(CONTENT), SourceRequest(), 0.0) == ""
    peers(workdir, test)


def test_with_tls_only_with_a_fingerprint(workdir: Path) -> None:
    """Who names no certificate is offered to nobody; the executor's key is in no file here."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        secret, pem = b.server.peer_keys("c1")
        assert secret
        assert pem.startswith("-----BEGIN PRIVATE KEY")
        assert b.server.peer_keys("c1")[1] != pem
        await ask(b, address="127.0.0.1:7001")
        assert b.server._peers.tracker.serving("c1") is None
        await ask(b, address="127.0.0.1:7001", fingerprint="ab" * 32)
        assert b.server._peers.tracker.serving("c1") is not None
        assert [p.name for p in (workdir / ".mfmesos").rglob("*")] == ["incoming"]
    peers(workdir, test, tls=True)


def test_without_the_option(workdir: Path) -> None:
    """No route, no secrets."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        assert (await ask(b))[0] == 404
        assert b.server.peer_keys("c1") == ("", "")
    run(workdir, test)


def test_a_changed_input(workdir: Path) -> None:
    """Refused with its name; when it has its content back, its digests are right again."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        (workdir / "big").write_bytes(CONTENT[:-1] + b"?")
        status, text = await ask(b)
        assert status == 409
        assert "big" in text
        (workdir / "big").write_bytes(CONTENT)
        assert (await ask(b))[1].digests() == DIGESTS
    peers(workdir, test)


def test_digests_come_in_parts(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer waits for the first blocks only; the last ones come when the whole file was right."""
    monkeypatch.setattr(blocks, "AT_ONCE", 10 * BLOCK)

    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        found = b""
        parts = 0
        while len(found) < len(DIGESTS):
            found += (await ask(b, known=len(found) // 32))[1].digests()
            parts += 1
        assert found == DIGESTS
        assert parts == -(-len(DIGESTS) // 320)
    peers(workdir, test)


def test_a_large_input_changes_between_its_parts(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of a mixture are never complete: the last ones are not given."""
    monkeypatch.setattr(blocks, "AT_ONCE", 10 * BLOCK)

    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        await ask(b)
        b.index.verify = lambda staged: str(workdir / "big")  # it is not noticed by its time
        (workdir / "big").write_bytes(CONTENT[:-1] + b"?")
        last = len(DIGESTS) // 32 - 1
        assert (await ask(b, known=last))[0] == 409
    peers(workdir, test)


def test_a_range_of_a_file(workdir: Path) -> None:
    """The scheduler, too, sends the rest of an input."""
    async def test(b: Bench) -> None:
        b.permit(inputs=("big",))
        headers = {"Authorization": f"Bearer {b.tokens['c1']}", "Range": "bytes=3000000-"}
        async with b.client.get(f"{b.server.url}/claims/c1/files/{DIGEST}", headers=headers) as r:
            assert (r.status, await r.read()) == (206, CONTENT[3_000_000:])
        assert b.server._transfer.sent_bytes == len(CONTENT) - 3_000_000
    peers(workdir, test)
