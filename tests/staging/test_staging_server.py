"""The server as an executor, a stranger, or another claim sees it."""
from __future__ import annotations

import asyncio
import errno
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from staging_help import Bench, files_tar, inline, member, run, tar_of

from mfmesos.core.model import Task
from mfmesos.shared import wire
from mfmesos.staging import incoming as outputs_module
from mfmesos.staging import transfer
from mfmesos.staging.inplace import InPlace
from mfmesos.staging.publish_errors import PublishError
from mfmesos.staging.server import StagingServer


def done(attempt: str = "1.1", tar: bytes | None = None, **more: Any) -> wire.Result:
    return wire.Result(attempt, wire.FINISHED, tar=inline(tar) if tar is not None else None, **more)


# --- tokens -------------------------------------------------------------------------------------
def test_every_route_wants_the_claims_own_token(tmp_path: Path) -> None:
    """No token, a wrong one, another claim's, a cut one, not ASCII: 401 without a word, on each route."""
    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(b"1")
        mine, other = b.open("c1"), b.open("c2")
        staged = b.permit(inputs=("in",))
        for token in ("", "wrong", other, mine[:-1], mine + "x", "ü"):
            for method, path in (("POST", "sync"), ("GET", f"files/{staged[0].digest}"),
                                 ("GET", f"files/{staged[0].digest}?place=1"),
                                 ("PUT", "attempts/1.1/outputs")):
                assert await b.call(method, path, token=token, data=b"x") == (401, b"")
        assert (await b.call("POST", "sync", claim="nobody", token=mine, data=b"{}"))[0] == 401
        assert b.syncs == []
        assert b.leftovers() == []
    run(tmp_path, test)


def test_closed_claim(tmp_path: Path) -> None:
    """Its token gets 410; anything else still 401. Opened again, it has its token again."""
    async def test(b: Bench) -> None:
        b.open("c1")
        b.server.close_claim("c1")
        assert (await b.sync())[0] == 410
        assert (await b.call("POST", "sync", token="wrong", data=b"{}"))[0] == 401
        assert b.server.open_claim("c1") == b.tokens["c1"]
        assert (await b.sync())[0] == 200
    run(tmp_path, test)


def test_a_server_that_is_starting_asks_to_come_again(tmp_path: Path) -> None:
    """503 to who has a good token, which executors take as a reason to wait; nothing is refused for good."""
    async def test(b: Bench) -> None:
        (tmp_path / "in").write_text("x")
        b.open("c1")
        (staged,) = b.index.stage(Task(1, "x", ("in",)))
        b.server.starting = True
        assert (await b.sync())[0] == 503
        assert (await b.call("GET", f"files/{staged.digest}"))[0] == 503
        assert (await b.put(files_tar(o=b"1")))[0] == 503
        assert (await b.call("POST", "sync", token="wrong", data=b"{}"))[0] == 401
        b.server.starting = False
        b.permit(inputs=("in",))
        assert (await b.call("GET", f"files/{staged.digest}")) == (200, b"x")
    run(tmp_path, test)


def test_tokens_follow_from_the_secret(tmp_path: Path) -> None:
    """A server that is started again with the secret of the dead one knows its claims; no other does."""
    async def answer(_: str, __: wire.SyncRequest) -> wire.SyncAnswer:
        return wire.SyncAnswer()

    one, same, other = (StagingServer(tmp_path, answer, secret=s) for s in (b"s" * 32, b"s" * 32, None))
    tokens = {server.open_claim(claim) for server in (one, same, other) for claim in ("c1", "c2")}
    assert len(tokens) == 4
    assert one.open_claim("c1") == same.open_claim("c1")


def test_no_permit_for_inputs_from_web_servers(tmp_path: Path) -> None:
    """The executor fetches such an input from its web server: the staging server serves no file in its place, not even
    one of the same name and content."""
    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(b"1")
        b.open("c1")
        (staged,) = b.index.stage(Task(1, "x", ("in",)))
        web = replace(staged, url="https://h/in")
        b.server.permit("c1", "1.1", (web,), ())
        assert (await b.call("GET", f"files/{staged.digest}"))[0] == 404
        b.server.permit("c1", "2.1", (staged, web), ())
        assert (await b.call("GET", f"files/{staged.digest}")) == (200, b"1")
        b.server.withdraw_permit("c1", "2.1")
        assert (await b.call("GET", f"files/{staged.digest}"))[0] == 404
    run(tmp_path, test)


def test_no_permit_for_files_in_place(tmp_path: Path) -> None:
    """Executors use files in shared folders by themselves: none is served, and outputs there need no delivery."""
    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(b"1")
        b.open("c1")
        (staged,) = b.index.stage(Task(1, "x", ("in",)))
        b.index.in_place = InPlace(tmp_path, ["/nfs"])
        b.server.permit("c1", "1.1", (replace(staged, in_place="/nfs/in"),), ("/nfs/out",))
        assert (await b.call("GET", f"files/{staged.digest}"))[0] == 404
        assert (await b.sync(done()))[0] == 200
        b.server.publish_outputs("1.1")
    run(tmp_path, test)


def test_another_claims_things(tmp_path: Path) -> None:
    """With its own good token a claim gets no other claim's input, and delivers no other claim's output."""
    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(b"secret")
        staged = b.permit("1.1", inputs=("in",), claim="c1")
        b.open("c2")
        assert (await b.call("GET", f"files/{staged[0].digest}", claim="c2"))[0] == 404
        assert (await b.put(files_tar(o=b"evil"), "1.1", claim="c2"))[0] == 404
        await b.sync(done(tar=files_tar(o=b"evil")), claim="c2")
        with pytest.raises(PublishError, match="not delivered"):
            b.server.publish_outputs("1.1")
        assert not (tmp_path / "o").exists()
    run(tmp_path, test)


def test_no_token_in_any_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:
    """Good, bad and malformed requests and a failing scheduler: the token is in no log line and on no stream."""
    caplog.set_level(logging.DEBUG)
    tokens = []

    async def test(b: Bench) -> None:
        tokens.append(b.open())
        await b.sync()

        async def fails(*_: Any) -> Any:
            raise RuntimeError("no")

        b.answer = fails
        assert (await b.sync(seq=2))[0] == 500
        host, port = b.server.url.split("//")[1].split(":")
        for raw in (f"POST /claims/c1/sync HTTP/1.1\r\nAuthorization Bearer {tokens[0]}\r\n\r\n",
                    f"GET /{tokens[0]} \0 HTTP/1.1\r\n\r\n", f"Bearer {tokens[0]}\r\n\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(raw.encode())
            await reader.read()
            writer.close()
    run(tmp_path, test)
    out = capfd.readouterr()
    assert "request_failed" in caplog.text
    assert tokens[0] not in caplog.text + out.out + out.err


# --- sync ---------------------------------------------------------------------------------------
def test_sync_carries_results_and_outputs(tmp_path: Path) -> None:
    """Outputs that ride in a sync are staged when the scheduler receives it, and published on its order."""
    async def test(b: Bench) -> None:
        b.permit("1.1")
        b.permit("2.1", ("sub/p", "d"))
        two = tar_of(member("sub/p", b"P", 0o755), member("d/x", b"X"))
        status, answer = await b.sync(done("1.1", files_tar(o=b"O")), done("2.1", two))
        assert status == 200
        assert answer.acked == ["1.1", "2.1"]
        assert [(r.outcome, r.tar) for r in b.syncs[0][1].results] == [(wire.FINISHED, None)] * 2
        assert not (tmp_path / "o").exists()
        b.server.publish_outputs("1.1")
        await b.server.publish("2.1")
        assert (tmp_path / "o").read_bytes() == b"O"
        assert (tmp_path / "d" / "x").read_bytes() == b"X"
        assert os.access(tmp_path / "sub" / "p", os.X_OK)
        assert b.leftovers() == []
    run(tmp_path, test)


@pytest.mark.parametrize("tar", [
    b"junk", b"", files_tar(), files_tar(other=b"1"), files_tar(o=b"x" * 700)[:600], tar_of(member("../o", b"1")),
    tar_of(member("o", kind=b"2", link="/etc/passwd")), tar_of(member("o", b"1"), end=False),
])
def test_bad_tar_makes_a_broken_result(tmp_path: Path, tar: bytes) -> None:
    """The rest of the sync is heard all the same; the reason is one plain line; nothing is staged."""
    async def test(b: Bench) -> None:
        b.permit("1.1")
        b.permit("2.1")
        await b.sync(done("1.1", tar), done("2.1", files_tar(o=b"good")))
        bad, good = b.syncs[0][1].results
        assert (bad.outcome, good.outcome) == (wire.BROKEN, wire.FINISHED)
        assert "\n" not in bad.reason
        assert bad.reason.startswith("its outputs arrived damaged: ")
        assert len(b.leftovers()) == 1
    run(tmp_path, test)


def test_not_base64(tmp_path: Path) -> None:
    """Text that is no base64 makes that result BROKEN."""
    async def test(b: Bench) -> None:
        b.permit()
        await b.sync(wire.Result("1.1", wire.FINISHED, tar="%%%"))
        assert b.syncs[0][1].results[0].outcome == wire.BROKEN
    run(tmp_path, test)


def test_many_results_in_one_sync(tmp_path: Path) -> None:
    """More than is unpacked at once goes through a thread, with the same effect."""
    async def test(b: Bench) -> None:
        for i in range(12):
            b.permit(f"{i}.1", (f"o{i}",))
        await b.sync(*(done(f"{i}.1", files_tar(**{f"o{i}": bytes([i]) * 40_000})) for i in range(12)))
        for i in range(12):
            b.server.publish_outputs(f"{i}.1")
            assert (tmp_path / f"o{i}").read_bytes() == bytes([i]) * 40_000
    run(tmp_path, test)


def test_replayed_results(tmp_path: Path) -> None:
    """A result reported again before it is published replaces what was staged; after that it changes nothing."""
    async def test(b: Bench) -> None:
        b.permit()
        await b.sync(done(tar=files_tar(o=b"1")), seq=1)
        await b.sync(done(tar=files_tar(o=b"2")), seq=2)
        assert len(b.leftovers()) == 1
        b.server.publish_outputs("1.1")
        await b.sync(done(tar=files_tar(o=b"late")), seq=3)
        assert (await b.put(files_tar(o=b"late")))[0] == 404
        assert b.leftovers() == []
        assert (tmp_path / "o").read_bytes() == b"2"
        with pytest.raises(PublishError):
            b.server.publish_outputs("1.1")
    run(tmp_path, test)


def test_malformed_syncs(tmp_path: Path) -> None:
    """400 with what is wrong; the scheduler never hears of them; the connection stays good."""
    async def test(b: Bench) -> None:
        b.open()
        results = b'{"protocol":%d,"seq":1,"results":[1]}' % wire.PROTOCOL
        for body in (b"", b"x", b"[]", b"{}", b'{"seq":"1"}', results, b"[" * 100_000, b"\xff"):
            status, text = await b.call("POST", "sync", data=body)
            assert status == 400, (body[:20], text)
        assert b.syncs == []
        assert (await b.sync())[0] == 200
    run(tmp_path, test)


def test_oversize_sync(tmp_path: Path) -> None:
    """A body over the limit is refused with 413, announced or not."""
    async def test(b: Bench) -> None:
        b.open()

        async def pieces() -> Any:
            for _ in range(20):
                yield bytes(10_000)

        assert (await b.call("POST", "sync", data=bytes(200_000)))[0] == 413
        assert (await b.call("POST", "sync", data=pieces()))[0] == 413
        assert b.syncs == []
    run(tmp_path, test, max_sync_bytes=100_000)


def test_held_sync(tmp_path: Path) -> None:
    """The answer comes when the scheduler gives it; if it never does, an empty one with the last number."""
    async def test(b: Bench) -> None:
        b.open()
        await b.sync(seq=7)
        answer: asyncio.Future[wire.SyncAnswer] = asyncio.get_running_loop().create_future()

        async def later(*_: Any) -> wire.SyncAnswer:
            return await answer

        b.answer = later
        asking = asyncio.ensure_future(b.sync(seq=8))
        while len(b.syncs) < 2:
            await asyncio.sleep(0.01)
        answer.set_result(wire.SyncAnswer(number=8, kill=["1.1"]))
        assert (await asking)[1].kill == ["1.1"]
        answer = asyncio.get_running_loop().create_future()
        status, empty = await b.sync(seq=9)
        assert (status, empty) == (200, wire.SyncAnswer(number=8))
        assert answer.cancelled()
    run(tmp_path, test, hold_s=0.3)


def test_answer_that_closes_the_claim(tmp_path: Path) -> None:
    """A claim that is closed while its last sync is answered still gets the answer."""
    async def test(b: Bench) -> None:
        b.open()

        async def release(*_: Any) -> wire.SyncAnswer:
            b.server.close_claim("c1")
            return wire.SyncAnswer(number=1, release=True)

        b.answer = release
        assert (await b.sync())[1].release
        assert (await b.sync(seq=2))[0] == 410
    run(tmp_path, test)


def test_stop_ends_held_syncs(tmp_path: Path) -> None:
    """Stopping does not wait for what is held."""
    async def test(b: Bench) -> None:
        b.open()
        never: asyncio.Future[wire.SyncAnswer] = asyncio.get_running_loop().create_future()

        async def hold(*_: Any) -> wire.SyncAnswer:
            return await never

        b.answer = hold
        asking = asyncio.ensure_future(b.sync())
        while not b.syncs:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(b.server.stop(), 3)
        assert (await asking)[0] == 503
    run(tmp_path, test)


# --- inputs -------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0, 1, transfer.AT_ONCE, transfer.AT_ONCE + 1, 3_000_000])
def test_input_files(tmp_path: Path, size: int) -> None:
    """Every size, byte for byte; a neighbour NAME.gz is never sent in its place."""
    async def test(b: Bench) -> None:
        content = os.urandom(size)
        (tmp_path / "in").write_bytes(content)
        (tmp_path / "in.gz").write_bytes(b"evil")
        staged = b.permit(inputs=("in",))
        fds = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            assert await b.call("GET", f"files/{staged[0].digest}") == (200, content)
        # The connection's two ends stay; the file is closed a moment after its last byte came.
        while len(os.listdir("/proc/self/fd")) > fds + 2:
            await asyncio.sleep(0.01)
    run(tmp_path, test)


def test_input_folder(tmp_path: Path) -> None:
    """As one tar stream."""
    async def test(b: Bench) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "x").write_bytes(b"1" * 3_000_000)
        staged = b.permit(inputs=("d",))
        status, body = await b.call("GET", f"files/{staged[0].digest}")
        assert status == 200
        assert body.count(b"1") >= 3_000_000
        assert len(body) % 512 == 0
    run(tmp_path, test)


def test_only_with_a_permit(tmp_path: Path) -> None:
    """An input is served as long as one attempt has a permit for it; a digest of anything else never is."""
    async def test(b: Bench) -> None:
        (tmp_path / "in").write_bytes(b"1")
        staged = b.permit("1.1", inputs=("in",))
        b.permit("2.1", inputs=("in",))
        path = f"files/{staged[0].digest}"
        for wrong in ("files/" + "0" * 64, "files/..%2F..%2Fetc%2Fpasswd", "files/in", f"files/{'9' * 5000}"):
            assert (await b.call("GET", wrong))[0] in (404, 400)
        b.server.withdraw_permit("c1", "1.1")
        b.server.withdraw_permit("c1", "1.1")
        b.server.withdraw_permit("c2", "2.1")
        assert (await b.call("GET", path))[0] == 200
        await b.sync(done("2.1", files_tar(o=b"1")))
        b.server.publish_outputs("2.1")
        assert (await b.call("GET", path))[0] == 404
    run(tmp_path, test)


def test_changed_input(tmp_path: Path) -> None:
    """409 and a plain line, for a file, a large file and a folder; a same file of another name serves as well."""
    async def test(b: Bench) -> None:
        (tmp_path / "a").write_bytes(b"1")
        (tmp_path / "copy").write_bytes(b"1")
        (tmp_path / "big").write_bytes(bytes(2_000_000))
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "x").write_bytes(b"1")
        staged = b.permit(inputs=("a", "big", "d"))
        (tmp_path / "a").write_bytes(b"2")
        (tmp_path / "big").write_bytes(bytes(1_999_999) + b"1")
        (tmp_path / "d" / "x").unlink()
        for item in staged:
            status, text = await b.call("GET", f"files/{item.digest}")
            assert status == 409
            assert f"input {item.name} has changed" in text.decode()
        b.permit("2.1", inputs=("copy",))
        assert await b.call("GET", f"files/{staged[0].digest}") == (200, b"1")
    run(tmp_path, test)


# --- outputs ------------------------------------------------------------------------------------
def test_large_outputs_as_a_stream(tmp_path: Path) -> None:
    """Many pieces, announced or chunked; several files; a second delivery replaces the first."""
    async def test(b: Bench) -> None:
        b.permit(outputs=("o", "d"))
        big = os.urandom(5_000_000)
        for content in (b"first" * 1000, big):
            tar = tar_of(member("o", content), member("d/x", content[:100], 0o755))

            async def pieces(tar: bytes = tar) -> Any:
                for i in range(0, len(tar), 70_000):
                    yield tar[i:i + 70_000]

            assert await b.put(pieces()) == (204, "")
            assert len(b.leftovers()) == 2
        await b.sync(done())
        b.server.publish_outputs("1.1")
        assert (tmp_path / "o").read_bytes() == big
        assert (tmp_path / "d" / "x").read_bytes() == big[:100]
        b.server.settle("1.1")
        assert b.leftovers() == []
    run(tmp_path, test)


def test_partial_outputs_of_a_failed_attempt(tmp_path: Path) -> None:
    """In place before the scheduler hears of the failure, whether they ride in the result or were PUT; what is missing
    or damaged changes nothing of the result, and an attempt that was taken back puts nothing anywhere."""
    async def test(b: Bench) -> None:
        for attempt, path in (("1.1", "o"), ("2.1", "p"), ("3.1", "q")):
            b.permit(attempt, (path, "d", f"none.{path}"))
        seen: list[bytes] = []

        async def answer(_: str, request: wire.SyncRequest) -> wire.SyncAnswer:
            seen.extend((tmp_path / name).read_bytes() for name in ("o", "p"))
            return wire.SyncAnswer(number=request.seq, acked=[r.attempt for r in request.results])

        b.answer = answer
        tar = tar_of(member("p", b"P" * 100_000), member("d/x", b"X", 0o755))
        assert await b.put(tar, attempt="2.1", params={"partial": "1"}) == (204, "")
        assert not (tmp_path / "p").exists()
        b.server.withdraw_permit("c1", "3.1")
        await b.sync(*(wire.Result(f"{n}.1", wire.FAILED, "exit code 1", 1, tar=inline(one) if one else None)
                       for n, one in ((1, files_tar(o=b"half")), (2, b""), (3, files_tar(q=b"late")))))
        assert seen == [b"half", b"P" * 100_000]
        b.answer = b._at_once
        assert (tmp_path / "d" / "x").read_bytes() == b"X"
        assert not (tmp_path / "q").exists()
        b.permit("4.1", ("r",))
        await b.sync(wire.Result("4.1", wire.FAILED, "exit code 1", 1, tar=inline(b"junk")), seq=2)
        last = b.syncs[-1][1].results[0]
        assert (last.outcome, last.reason) == (wire.FAILED, "exit code 1")
        assert b.leftovers() == []
    run(tmp_path, test)


def test_bad_streams(tmp_path: Path) -> None:
    """400 with the reason, nothing kept, what was delivered before stays."""
    async def test(b: Bench) -> None:
        b.permit()
        good = files_tar(o=b"good")
        await b.put(good)
        for bad in (b"", b"junk" * 1000, good[:600], files_tar(o=b"1", p=b"2"), tar_of(member("/etc/x", b"1")),
                    tar_of(member("o", kind=b"1", link="/etc/passwd"))):
            status, text = await b.put(bad)
            assert status == 400
            assert text.count("\n") == 1
        assert len(b.leftovers()) == 1
        b.server.publish_outputs("1.1")
        assert (tmp_path / "o").read_bytes() == b"good"
    run(tmp_path, test)


def test_connection_lost_half_way(tmp_path: Path) -> None:
    """A stream that breaks off leaves nothing; one that stops is given up after the time for silence."""
    async def test(b: Bench) -> None:
        b.permit()
        host, port = b.server.url.split("//")[1].split(":")
        for close in (True, False):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write((f"PUT /claims/c1/attempts/1.1/outputs HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n"
                          f"Authorization: Bearer {b.tokens['c1']}\r\n\r\n").encode() + files_tar(o=b"x" * 2_000_000))
            await writer.drain()
            if close:
                writer.close()
            else:
                assert b" 408 " in await reader.readline()
            while b.leftovers():
                await asyncio.sleep(0.01)
        with pytest.raises(PublishError):
            b.server.publish_outputs("1.1")
    run(tmp_path, test, idle_s=0.5)


def test_permit_withdrawn_while_it_arrives(tmp_path: Path) -> None:
    """An attempt taken back in the middle of its delivery delivers nothing."""
    async def test(b: Bench) -> None:
        b.permit()
        tar = files_tar(o=b"x" * 6_000_000)

        async def pieces() -> Any:
            yield tar[:3_000_000]
            while not b.leftovers():
                await asyncio.sleep(0.01)
            b.server.withdraw_permit("c1", "1.1")
            yield tar[3_000_000:]

        assert (await b.put(pieces()))[0] == 404
        while b.leftovers():
            await asyncio.sleep(0.01)
    run(tmp_path, test)


def test_more_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """413: announced, and when the disk fills while it arrives. The executor's complaint about that is not held against
    it: publishing fails as our own doing, for want of room."""
    async def test(b: Bench) -> None:
        b.permit()
        monkeypatch.setattr(transfer, "SPARE_BYTES", 1 << 60)
        status, text = await b.put(bytes(100))
        assert status == 413
        assert "disk" in text
        monkeypatch.setattr(transfer, "SPARE_BYTES", 0)

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(outputs_module.Unpacker, "data", full)
        tar = files_tar(o=b"12345" * 3000)
        status, text = await b.put(tar)
        assert status == 413
        assert "the disk is full" in text
        broken = wire.Result("1.1", wire.BROKEN, "its outputs could not be delivered: the disk is full")
        await b.sync(broken)
        assert b.syncs[0][1].results[0].outcome == wire.FINISHED
        with pytest.raises(PublishError, match="disk is full") as e:
            b.server.publish_outputs("1.1")
        assert e.value.full
    run(tmp_path, test)


def test_more_than_the_disk_could_ever_hold(tmp_path: Path) -> None:
    """Nothing to wait for: publishing fails for good, and says how much the whole disk holds."""
    async def test(b: Bench) -> None:
        b.permit()
        claim = b.tokens["c1"]
        reader, writer = await asyncio.open_connection("127.0.0.1", b.server.port)
        writer.write(f"PUT /claims/c1/attempts/1.1/outputs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {claim}\r\n"
                     f"Content-Length: {1 << 59}\r\n\r\n".encode())
        assert b" 413 " in await reader.readline()
        writer.close()
        await b.sync(wire.Result("1.1", wire.BROKEN, "its outputs could not be delivered"))
        with pytest.raises(PublishError, match="more than the whole disk of the workflow's folder could hold") as e:
            b.server.publish_outputs("1.1")
        assert (e.value.local, e.value.full) == (True, False)
    run(tmp_path, test)


def test_links_that_lead_out_are_the_tasks_fault(tmp_path: Path) -> None:
    """In a result and as a stream: it fails for good with the reason, at no cost to its agent."""
    async def test(b: Bench) -> None:
        tar = tar_of(member("o", kind=b"5"), member("o/l", kind=b"2", link="/etc/passwd"))
        for attempt in ("1.1", "2.1"):
            b.permit(attempt)
            if attempt == "1.1":
                await b.sync(wire.Result(attempt, wire.FINISHED, tar=inline(tar)))
            else:
                status, text = await b.put(tar, attempt)
                assert (status, "leads out" in text) == (400, True)
                await b.sync(wire.Result(attempt, wire.BROKEN, "its outputs could not be delivered"), seq=2)
            with pytest.raises(PublishError, match="leads out of the workflow's folder") as e:
                b.server.publish_outputs(attempt)
            assert e.value.local
        assert b.leftovers() == []
    run(tmp_path, test)


def test_a_local_problem_is_raised_when_publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own full disk does not blame the attempt: the result stays FINISHED, publishing it fails as local."""
    async def test(b: Bench) -> None:
        b.permit()

        def full(*_: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("mfmesos.staging.deliveries.unpack", full)
        await b.sync(done(tar=files_tar(o=b"1")))
        assert b.syncs[0][1].results[0].outcome == wire.FINISHED
        with pytest.raises(PublishError, match="disk is full") as e:
            b.server.publish_outputs("1.1")
        assert e.value.local
    run(tmp_path, test)


def test_uploads_are_bounded(tmp_path: Path) -> None:
    """More at once than allowed wait for their turn, and all arrive."""
    async def test(b: Bench) -> None:
        for i in range(12):
            b.permit(f"{i}.1", (f"o{i}",))
        answers = await asyncio.gather(*(b.put(files_tar(**{f"o{i}": bytes(300_000)}), f"{i}.1") for i in range(12)))
        assert [status for status, _ in answers] == [204] * 12
    run(tmp_path, test, uploads=2)


def test_claim_closed_after_delivery(tmp_path: Path) -> None:
    """What a claim delivered whole before it ended can still be published."""
    async def test(b: Bench) -> None:
        b.permit("1.1")
        b.permit("2.1", ("p",))
        await b.sync(done(tar=files_tar(o=b"1")))
        b.server.close_claim("c1")
        b.server.publish_outputs("1.1")
        assert (tmp_path / "o").read_bytes() == b"1"
        with pytest.raises(PublishError):
            b.server.publish_outputs("2.1")
    run(tmp_path, test)


def test_attempt_without_outputs(tmp_path: Path) -> None:
    """Nothing to deliver, nothing to place, no error."""
    async def test(b: Bench) -> None:
        b.permit(outputs=())
        await b.sync(done())
        b.server.publish_outputs("1.1")
    run(tmp_path, test)


def test_leftovers_of_a_dead_run_go(tmp_path: Path) -> None:
    """The incoming folder is emptied at start and gone after stop."""
    (tmp_path / ".mfmesos" / "incoming" / "9.9-1" / "x").mkdir(parents=True)

    async def test(b: Bench) -> None:
        assert b.leftovers() == []
        b.permit()
        await b.sync(done(tar=files_tar(o=b"1")))
        assert len(b.leftovers()) == 1
    run(tmp_path, test)
    assert list((tmp_path / ".mfmesos").iterdir()) == []


# --- connections --------------------------------------------------------------------------------
def test_silent_connections_are_closed(tmp_path: Path) -> None:
    """One that says nothing, and one that sends its head drop by drop."""
    async def test(b: Bench) -> None:
        host, port = b.server.url.split("//")[1].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        slow_reader, slow = await asyncio.open_connection(host, int(port))
        slow.write(b"GET / HTTP/1.1\r\nX: ")
        for r in (reader, slow_reader):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(r.readexactly(1), 5)
        writer.close()
        slow.close()
    run(tmp_path, test, idle_s=0.3)


def test_slow_body(tmp_path: Path) -> None:
    """A sync whose body does not come is answered 408."""
    async def test(b: Bench) -> None:
        b.open()
        host, port = b.server.url.split("//")[1].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST /claims/c1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
                     f"Authorization: Bearer {b.tokens['c1']}\r\n\r\nx".encode())
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    run(tmp_path, test, idle_s=0.3)


def test_large_heads_are_refused(tmp_path: Path) -> None:
    """Headers over the limit: 400, and the server continues."""
    async def test(b: Bench) -> None:
        b.open()
        status, _ = await b.call("POST", "sync", token="x" * 20_000, data=b"{}")
        assert status == 400
        assert (await b.sync())[0] == 200
    run(tmp_path, test)


def test_port_that_is_taken(tmp_path: Path) -> None:
    """One line that names the address."""
    async def test(b: Bench) -> None:
        from mfmesos.staging.server import StagingServer

        port = int(b.server.url.rsplit(":", 1)[1])
        other = StagingServer(tmp_path, b.on_sync)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}"):
            await other.start(port=port)
    run(tmp_path, test)


def test_client_that_does_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a large file and does not take it is cut off, and the file is closed."""
    monkeypatch.setattr(transfer, "SLOWEST_BYTES_PER_S", 1 << 30)

    async def test(b: Bench) -> None:
        with (tmp_path / "in").open("wb") as f:
            f.truncate(60 << 20)
        staged = b.permit(inputs=("in",))
        host, port = b.server.url.split("//")[1].split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1000)
        writer.write(f"GET /claims/c1/files/{staged[0].digest} HTTP/1.1\r\nHost: x\r\n"
                     f"Authorization: Bearer {b.tokens['c1']}\r\n\r\n".encode())

        def is_open() -> bool:
            return str(tmp_path / "in") in [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]

        while not is_open():
            await asyncio.sleep(0.01)
        while is_open():
            await asyncio.sleep(0.01)
        writer.close()
    run(tmp_path, test, idle_s=0.5)


def test_client_that_goes_away(tmp_path: Path) -> None:
    """A held sync whose client is gone is given up, so that nothing is kept for it."""
    async def test(b: Bench) -> None:
        b.open()
        never: asyncio.Future[wire.SyncAnswer] = asyncio.get_running_loop().create_future()

        async def hold(*_: Any) -> wire.SyncAnswer:
            return await never

        b.answer = hold
        asking = asyncio.ensure_future(b.sync())
        while not b.syncs:
            await asyncio.sleep(0.01)
        asking.cancel()
        while not never.cancelled():
            await asyncio.sleep(0.01)
    run(tmp_path, test)
