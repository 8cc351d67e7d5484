"""The staging server and the executor's own code understand each other's streams."""
from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from mfmesos_executor import outputs as theirs
from mfmesos_executor.client import Client, Refused
from mfmesos_executor.unpack import unpack as unpack_there
from staging_help import bench, files_tar

from mfmesos.core.model import Task
from mfmesos.shared.wire import FINISHED, ClaimData, Result, SyncRequest, dumps, load_sync_answer
from mfmesos.staging.incoming import unpack
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.names import plan_outputs
from mfmesos.staging.tarstream import Member, TarReader
from mfmesos.staging.trees import tar_stream, walk


def test_outputs_arrive_as_the_executor_packs_them(tmp_path: Path) -> None:
    """Its tar of files and folders, with long and non-ASCII names, is unpacked here as it was."""
    source = tmp_path / "source"
    deep = "sub/" + "very-long-name" * 14
    for name, content in ((deep, b"1"), ("d/ü", b"22"), ("d/e/f", b""), ("run", b"#!/bin/sh")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (source / "run").chmod(0o755)
    members = [theirs.Member(n, str(source / n), (source / n).stat().st_size if (source / n).is_file() else 0,
                             (source / n).stat().st_mode & 0o777, (source / n).is_dir())
               for n in (deep, "d", "d/e", "d/e/f", "d/ü", "run")]
    tar = theirs.small_tar(members)
    assert len(tar) == theirs.length(members)
    plan = plan_outputs(tmp_path, [deep, "d", "d/ü", "run"])
    (tmp_path / "in").mkdir()
    staged = unpack(tmp_path / "in" / "x", plan, tar)
    found = {name: Path(staged.path(i)) for i, name in enumerate(plan.roots)}
    assert found[deep].read_bytes() == b"1"
    assert (Path(staged.path(1)) / "ü").read_bytes() == b"22"
    assert (Path(staged.path(1)) / "e" / "f").read_bytes() == b""
    assert Path(staged.path(2)).stat().st_mode & 0o111


def test_size_over_8_gib() -> None:
    """The header that the executor writes for a huge file is read right."""
    seen = []

    class Sink:
        def begin(self, member: Member) -> None:
            seen.append((member.name, member.size))

        def data(self, data: memoryview) -> None: ...
        def end(self) -> None: ...

    TarReader(Sink()).feed(theirs.header(theirs.Member("big", "", 9 << 30, 0o644, False)))
    assert seen == [("big", 9 << 30)]


def test_input_folders_arrive_as_they_are(tmp_path: Path) -> None:
    """The executor unpacks the stream of an input folder, links inside it included, just as this side does, and finds
    the announced digest."""
    source = tmp_path / "source"
    (source / "b" / "empty").mkdir(parents=True)
    (source / "b" / "run").write_bytes(b"#!/bin/sh\n")
    (source / "b" / "run").chmod(0o755)
    (source / ("n" * 200)).write_bytes(bytes(3_000_000))
    (source / "ü").write_bytes(b"1")
    (source / "link").symlink_to("b/run")
    (source / "b" / "up").symlink_to("../ü")
    found = unpack_there(tar_stream(walk(str(source))), str(tmp_path / "there"))
    assert found == InputIndex(tmp_path).stage(Task(1, "x", ("source",)))[0].digest
    rows = [[(r.name, r.kind, r.mode, r.size, r.target) for r in walk(str(f))] for f in (source, tmp_path / "there")]
    assert rows[0] == rows[1]
    assert (tmp_path / "there" / "link").read_bytes() == b"#!/bin/sh\n"


@pytest.mark.parametrize("tls", [False, True])
def test_the_executors_client(tmp_path: Path, tls: bool) -> None:
    """Its own HTTP client fetches, delivers and syncs, with the certificate pinned; refusals come with their reason."""
    (tmp_path / "big").write_bytes(b"z" * 2_000_000)
    got: list[bytes] = []

    def talk(data: ClaimData, digest: str) -> None:
        client = Client(data)
        client.download(digest, lambda pieces: got.extend(pieces), lambda: False)
        tar = files_tar(o=b"y" * 2_000_000)
        client.upload("1.1", len(tar), lambda sock: sock.sendall(tar), lambda: False)
        connection = client.connection()
        answer = client.sync(connection, dumps(SyncRequest(seq=1, results=[Result("1.1", FINISHED)])), 10)
        assert load_sync_answer(answer).acked == ["1.1"]
        bad = files_tar(x=b"y" * 2_000_000)
        with pytest.raises(Refused, match="x is not a declared output"):
            client.upload("1.1", len(bad), lambda sock: sock.sendall(bad), lambda: False)
        with pytest.raises(Refused) as e:
            client.download("0" * 64, lambda pieces: None, lambda: False)
        assert e.value.status == 404
        connection.close()
        if tls:
            other = Client(replace(data, fingerprint="0" * 64))
            with pytest.raises(Refused, match="certificate"):
                other.sync(other.connection(), b"{}", 10)

    async def main() -> None:
        async with bench(tmp_path, tls=tls) as b:
            staged = b.permit(inputs=("big",))
            data = ClaimData(b.server.url, "c1", b.tokens["c1"], b.server.fingerprint, give_up_s=5)
            await asyncio.get_running_loop().run_in_executor(None, talk, data, staged[0].digest)
            b.server.publish_outputs("1.1")
    asyncio.run(main())
    assert b"".join(got) == b"z" * 2_000_000
    assert (tmp_path / "o").read_bytes() == b"y" * 2_000_000
