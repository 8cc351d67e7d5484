"""Outputs are hashed while they arrive, and not again when later tasks read them."""
from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import time
from pathlib import Path

import pytest
from staging_help import Bench, member, run, tar_of

from mfmesos.core.model import Task
from mfmesos.shared import tarmarks
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.received import Hashed

DATA = b"content " * 40_000
DIGEST = hashlib.sha256(DATA).hexdigest()


def made_at(name: str, data: bytes, when_ns: int, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    """A member with its time as executors send it."""
    info, data = member(name, data, mode)
    info.mtime, ns = divmod(when_ns, 10**9)
    info.uname = tarmarks.tar_owner(ns)
    return info, data


def no_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: InputIndex, path: str) -> None:
        raise AssertionError(f"{path} is hashed again")

    monkeypatch.setattr(InputIndex, "_hash", fail)


def test_a_published_file_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of the PUT states the digest, and the next task's input has it at once, young as the file is."""
    async def test(b: Bench) -> None:
        b.permit(outputs=("o", "d"))
        now = time.time_ns() - 50_000_000  # earlier than any clock tick of its publishing
        stream = tar_of(made_at("o", DATA, now), made_at("d/e/x", DATA, now), made_at("d/y", b"y", now),
                        member("d", kind=tarfile.DIRTYPE, mode=0o755))
        status, body = await b.put(stream, params={"digests": "1"})
        assert status == 200
        b.server.publish_outputs("1.1")
        no_hashing(monkeypatch)
        staged = {i.name: i for i in b.index.stage(Task(2, "x", ("o", "d", "d/e/x")))}
        assert json.loads(body) == {"o": DIGEST, "d": staged["d"].digest}
        assert staged["o"].digest == staged["d/e/x"].digest == DIGEST
        monkeypatch.undo()
        assert InputIndex(tmp_path).stage(Task(2, "x", ("o", "d", "d/e/x"))) == tuple(
            staged[name] for name in ("o", "d", "d/e/x"))

    run(tmp_path, test)


def test_each_of_many_outputs_has_its_own_digest(tmp_path: Path) -> None:
    """Also where the number of one begins with the number of another, and for files in folders."""
    names = [f"o{number}" for number in range(12)] + ["d"]

    async def test(b: Bench) -> None:
        b.permit(outputs=names)
        files = [(f"{name}/x" if name == "d" else name, name.encode()) for name in names]
        await b.put(tar_of(*(made_at(name, data, 10**18) for name, data in files)), params={"digests": "1"})
        attempt = b.server._deliveries.get("c1", "1.1")
        assert attempt is not None
        assert attempt.received is not None
        assert {name: hashed.digest for name, hashed in attempt.received.published()} == {
            name: hashlib.sha256(data).hexdigest() for name, data in files}

    run(tmp_path, test)


def test_digests_only_on_request(tmp_path: Path) -> None:
    """A delivery whose outputs nobody reads is not hashed; one with links or holes says nothing of those."""
    async def test(b: Bench) -> None:
        b.permit(outputs=("o",))
        assert await b.put(tar_of(member("o", DATA))) == (204, "")
        b.permit("2.1", ("d", "o"))
        stream = tar_of(member("d/x", DATA), member("d/l", kind=tarfile.SYMTYPE, link="x"), member("o", DATA))
        assert await b.put(stream, "2.1", params={"digests": "1"}) == (200, json.dumps({"o": DIGEST}))
        b.permit("3.1", ("o",))
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            info, _ = member("o")
            info.size, info.pax_headers = 4, {tarmarks.TAR_HOLES: "10 0 4"}
            tar.addfile(info, io.BytesIO(b"data"))
        assert await b.put(out.getvalue(), "3.1", params={"digests": "1"}) == (200, "{}")

    run(tmp_path, test)


def test_a_file_that_may_have_changed_is_hashed(tmp_path: Path) -> None:
    """Nothing is learned of a file that was written after it had arrived, nor of one whose time leaves a later write
    without a trace."""
    index = InputIndex(tmp_path)
    path = tmp_path / "o"
    path.write_bytes(DATA)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    wrong = Hashed("0" * 64, path.stat())
    path.write_bytes(b"edited")
    index.learn("o", wrong)
    assert index.look("o").digest == hashlib.sha256(b"edited").hexdigest()
    ahead = time.time() + 3600
    os.utime(path, (ahead, ahead))
    index = InputIndex(tmp_path)
    index.learn("o", Hashed("0" * 64, path.stat()))
    assert index.look("o").digest == hashlib.sha256(b"edited").hexdigest()
    index.learn("gone", Hashed("0" * 64, path.stat()))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    index.learn("o", Hashed("1" * 64, path.stat()))
    assert index.look("o").digest == "1" * 64
    path.write_bytes(b"again!")
    assert index.look("o").digest == hashlib.sha256(b"again!").hexdigest()
