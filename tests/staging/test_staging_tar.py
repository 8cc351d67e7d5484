"""The tar reader and the unpacking of outputs: everything that a hostile or broken stream may hold."""
from __future__ import annotations

import contextlib
import io
import os
import stat
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from staging_help import member, tar_of
from support import examples

from mfmesos.shared.tarmarks import TAR_HOLES, tar_owner
from mfmesos.staging.incoming import LeadsOut, Unpacker, unpack
from mfmesos.staging.names import plan_outputs
from mfmesos.staging.received import Received
from mfmesos.staging.tarstream import BadTar, Member, TarReader


class Collected:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.members: list[tuple[Member, bytearray]] = []

    def begin(self, member: Member) -> None:
        self.members.append((member, bytearray()))

    def data(self, data: memoryview) -> None:
        self.members[-1][1].extend(data)

    def end(self) -> None:
        pass


def read(tar: bytes, step: int = 1 << 20) -> list[tuple[str, bytes, bool]]:
    sink = Collected()
    reader = TarReader(sink)
    for i in range(0, len(tar), step):
        reader.feed(tar[i:i + step])
    reader.finish()
    return [(m.name, bytes(d), m.is_dir) for m, d in sink.members]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


class Delivered:
    """What was unpacked: path("1/x") is x in the second of the delivered outputs."""

    def __init__(self, staged: Received) -> None:
        self.received = staged

    def path(self, place: str) -> Path:
        index, _, rest = place.partition("/")
        return Path(self.received.path(int(index))) / rest


def unpacked(work: Path, tar: bytes, *outputs: str) -> Delivered:
    return Delivered(unpack(work / "in" / "1.1-1", plan_outputs(work, outputs), tar))


def refused(work: Path, tar: bytes, *outputs: str) -> str:
    with pytest.raises(BadTar) as e:
        unpacked(work, tar, *outputs)
    assert list((work / "in").iterdir()) == [], "something was left behind"
    assert sorted(p.name for p in work.iterdir()) == ["in"]
    assert "\n" not in str(e.value)
    return str(e.value)


NAMES = st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1,
                         max_size=60), min_size=1, max_size=6).map("/".join).filter(lambda n: len(n.encode()) < 3000)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1500)), max_size=5, unique_by=lambda t: t[0]),
       st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.integers(1, 3000))
@settings(max_examples=examples(60), deadline=None)
def test_reads_what_tarfile_writes(files: list[tuple[str, bytes]], form: int, step: int) -> None:
    """Any names and contents, in both formats, fed in pieces of any size, come out as they went in."""
    tar = tar_of(*(member(n, d) for n, d in files), format=form)
    assert read(tar, step) == [(n, d, False) for n, d in files]


@given(st.binary(max_size=3000), st.integers(1, 700))
@settings(max_examples=examples(80), deadline=None)
def test_noise_is_refused(noise: bytes, step: int) -> None:
    """Whatever is no tar is a BadTar and nothing else."""
    with pytest.raises(BadTar):
        read(noise.replace(b"ustar", b"xxxxx") + b"\1", step)


@given(st.data())
@settings(max_examples=examples(150), deadline=None)
def test_damaged_streams_never_crash(data: st.DataObject) -> None:
    """A tar with bytes changed is read, or is a BadTar: no other error, no endless loop."""
    tar = bytearray(tar_of(member("a" * 150, b"12345"), member("d", kind=tarfile.DIRTYPE), member("d/ü", b"x" * 600)))
    for _ in range(data.draw(st.integers(1, 4))):
        tar[data.draw(st.integers(0, len(tar) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadTar):
        read(bytes(tar), 512)


def test_every_half_stream_is_refused() -> None:
    """A stream cut at any block, between members and before its end mark too, is not taken for a whole one."""
    tar = tar_of(member("a", b"x" * 600), member("b", b"y"), end=False)
    for cut in range(0, len(tar) + 512, 256):
        with pytest.raises(BadTar):
            read((tar + bytes(512))[:cut])
    assert len(read(tar + bytes(1024))) == 2


def test_large_sizes_are_understood() -> None:
    """A file of more than 8 GiB has its size in base 256 (GNU) or in a pax record."""
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo("big")
        info.size = 9 << 30
        sink = Collected()
        TarReader(sink).feed(info.tobuf(form))
        assert [m.size for m, _ in sink.members] == [9 << 30]


def test_huge_headers_are_refused_before_they_are_read() -> None:
    """A pax header or long name that claims to be large costs no memory."""
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        info = tarfile.TarInfo("h")
        info.type, info.size = kind, 1 << 30
        with pytest.raises(BadTar, match="header"):
            TarReader(Collected()).feed(info.tobuf(tarfile.GNU_FORMAT))


def test_gnu_tar_is_understood(work: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tar program writes, long names, folders and modes included, arrives as it was."""
    source = tmp_path_factory.mktemp("source")
    deep = "long" * 40 + "/x" * 20
    (source / "d" / deep).mkdir(parents=True)
    (source / "d" / deep / "f").write_bytes(b"deep")
    (source / "d" / "empty").mkdir()
    (source / "run").write_bytes(b"#!/bin/sh\n")
    (source / "run").chmod(0o755)
    tar = subprocess.run(["tar", "-c", "run", "d"], cwd=source, capture_output=True, check=True).stdout
    folder = unpacked(work, tar, "run", "d")
    assert (folder.path("1") / deep / "f").read_bytes() == b"deep"
    assert (folder.path("1") / "empty").is_dir()
    assert os.access(folder.path("0"), os.X_OK)


@pytest.mark.parametrize("name", [
    "../o", "/o", "o/../../x", "d/../../x", "d/../o", "d//x", "d/./x", "./o", "x", "..", ".", "d/..", "/etc/passwd",
    "o/x/../../..", ".mfmesos/config.json",
])
def test_traversal_is_refused(work: Path, name: str) -> None:
    """A name that is not exactly a declared output, or plainly below a declared folder, is refused."""
    refused(work, tar_of(member("o", b"1"), member("d", kind=tarfile.DIRTYPE), member(name, b"evil")), "o", "d")


@given(st.text(alphabet="./ad\\~\n", min_size=1, max_size=12))
@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_leads_out(work: Path, name: str) -> None:
    """Whatever a member is called, nothing is made outside of the attempt's own folder."""
    try:
        folder = unpacked(work, tar_of(member(name, b"x")), "d")
    except BadTar:
        pass
    else:
        folder.received.discard()
    assert sorted(p.name for p in work.iterdir()) == ["in"]
    assert list((work / "in").iterdir()) == []


@pytest.mark.parametrize(("kind", "what"), [
    (tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link"), (tarfile.CHRTYPE, "device"),
    (tarfile.BLKTYPE, "device"), (tarfile.FIFOTYPE, "pipe"), (b"S", "sparse"), (b"g", "header"), (b"Z", "unknown"),
])
def test_only_files_and_folders_pass(work: Path, kind: bytes, what: str) -> None:
    """Links, devices, pipes and the unknown are named in the refusal, at the top and in a folder."""
    for name, output in (("o", "o"), ("d/x", "d")):
        tar = tar_of(member(name, kind=kind, link="/etc/passwd"), format=tarfile.GNU_FORMAT)
        assert what in refused(work, tar, output)


def test_a_link_cannot_be_written_through(work: Path) -> None:
    """A link that is followed by a file below it: refused at the link."""
    refused(work, tar_of(member("d", kind=tarfile.DIRTYPE), member("d/l", kind=tarfile.SYMTYPE, link="/tmp"),
                         member("d/l/x", b"evil")), "d")


@pytest.mark.parametrize("target", ["x", "../d/x", ".", "..", "gone", "/nonexistent/x", "/usr/bin/env", "/bin/sh", "l",
                                    "n" * 200, "sub/../x"])
def test_links_in_a_folder(work: Path, target: str) -> None:
    """Within the workflow's folder, to a part of the system, to a program or to nothing: kept as written."""
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        tar = tar_of(member("d/x", b"1"), member("d/l", kind=tarfile.SYMTYPE, link=target), format=form)
        folder = unpacked(work, tar, "d")
        assert os.readlink(folder.path("0/l")) == target
        assert folder.received.links
        folder.received.discard()


@pytest.mark.parametrize("target", ["../../x", "/etc/passwd", "/etc", "../.mfmesos/journal.sqlite", "../mesos_done",
                                    "/usr/../etc/passwd", "..", "x/../../../y"])
def test_links_that_lead_out(work: Path, target: str) -> None:
    """Out of the workflow's folder, or to our own files in it: the task's fault, in words."""
    name = "d/l" if target != ".." else "l"
    tar = tar_of(member("d/x", b"1"), member(name, kind=tarfile.SYMTYPE, link=target))
    if name == "l":
        assert "symbolic link itself" in refused(work, tar, "d", "l")
        return
    with pytest.raises(LeadsOut, match="leads out of the workflow's folder"):
        unpacked(work, tar, "d")
    assert list((work / "in").iterdir()) == []


@pytest.mark.parametrize("target", ["/tmp", "gone", ".", "x"])
def test_nothing_comes_by_way_of_a_link(work: Path, target: str) -> None:
    """Neither a file nor a folder, however deep, behind a link that may be there."""
    link = member("d/l", kind=tarfile.SYMTYPE, link=target if target != "/tmp" else "/usr/lib")
    for more in (member("d/l/x", b"1"), member("d/l/y/z", b"1"), member("d/l/y", kind=tarfile.DIRTYPE),
                 member("d/l", kind=tarfile.DIRTYPE), member("d/l", b"1")):
        assert "appears twice" in refused(work, tar_of(member("d/x/f", b"1"), link, more), "d")


def test_times_and_modes_as_the_executor_says_them(work: Path) -> None:
    """To the nanosecond; a folder's after its content; modes whatever our umask is; without a time: now."""
    def said(name: str, ns: int, mode: int, kind: bytes = tarfile.REGTYPE) -> Any:
        made = member(name, b"1" if kind == tarfile.REGTYPE else b"", mode, kind)
        made[0].mtime, made[0].uname = ns // 10**9, tar_owner(ns % 10**9)
        return made

    folder = unpacked(work, tar_of(
        said("d/x", 10**18 + 7, 0o666), said("d/s/y", 10**18 + 9, 0o664),
        said("d/s", 10**18 + 5, 0o777, tarfile.DIRTYPE), said("d", 10**18 + 3, 0o775, tarfile.DIRTYPE),
        member("o", b"1")), "d", "o")
    found = {name: folder.path(name).stat() for name in ("0", "0/x", "0/s", "0/s/y", "1")}
    assert {name: (s.st_mtime_ns, stat.S_IMODE(s.st_mode)) for name, s in found.items() if name != "1"} == {
        "0": (10**18 + 3, 0o775), "0/x": (10**18 + 7, 0o666), "0/s": (10**18 + 5, 0o777), "0/s/y": (10**18 + 9, 0o664)}
    assert abs(found["1"].st_mtime - time.time()) < 1000


def test_holes(work: Path) -> None:
    """What was announced as holes occupies nothing; the pieces lie where they belong, in whichever steps they come."""
    info, data = member("o", b"abcdefgh")
    info.pax_headers = {TAR_HOLES: "1000000000 10 3 500000000 5"}
    tar = tar_of((info, data))
    for step in (1, 700, 1 << 20):
        unpacker = Unpacker(work / "in" / "x", plan_outputs(work, ["o"]))
        for i in range(0, len(tar), step):
            unpacker.feed(tar[i:i + step])
        path = Path(unpacker.finish().path(0))
        assert path.stat().st_size == 1_000_000_000
        assert path.stat().st_blocks * 512 < 1 << 20
        with path.open("rb") as f:
            assert f.read(15) == bytes(10) + b"abc" + bytes(2)
            f.seek(500_000_000)
            assert f.read(6) == b"defgh\0"
        path.unlink()


def test_duplicates_are_refused(work: Path) -> None:
    """A name twice, or once as a file and once as a folder."""
    refused(work, tar_of(member("o", b"1"), member("o", b"2")), "o")
    refused(work, tar_of(member("d/x", b"1"), member("d/x", b"2")), "d")
    refused(work, tar_of(member("d/x", b"1"), member("d/x/y", b"2")), "d")
    refused(work, tar_of(member("d", b"1"), member("d/x", b"2")), "d")
    refused(work, tar_of(member("d/x/y", b"1"), member("d/x", b"2")), "d")


def test_nested_declarations(work: Path) -> None:
    """A folder and a file in it may both be declared, and the file then be sent once or twice."""
    one = unpacked(work, tar_of(member("d/x", b"1")), "d", "d/x")
    assert (one.path("0") / "x").read_bytes() == b"1"
    one.received.discard()
    twice = tar_of(member("d", kind=tarfile.DIRTYPE), member("d/x", b"1"), member("d/x", b"1"))
    two = unpacked(work, twice, "d", "d/x")
    assert (two.path("0") / "x").read_bytes() == b"1"


def test_missing_output_is_named(work: Path) -> None:
    """All land or none."""
    assert "b" in refused(work, tar_of(member("a", b"1")), "a", "b")
    assert "d/x" in refused(work, tar_of(member("d", kind=tarfile.DIRTYPE)), "d", "d/x")


def test_modes(work: Path) -> None:
    """Executable stays executable, setuid, setgid and sticky never pass, and we can always read what we made."""
    folder = unpacked(work, tar_of(
        member("a", b"1", 0o4755), member("b", b"1", 0o0), member("c", b"1", 0o444),
        member("d", kind=tarfile.DIRTYPE, mode=0o7555), member("d/x", b"1", 0o6711)), "a", "b", "c", "d")
    modes = [stat.S_IMODE(folder.path(p).stat().st_mode) for p in ("0", "1", "2", "3", "3/x")]
    assert modes == [0o755, 0o400, 0o444, 0o755, 0o711]


def test_folders_above_an_output_may_be_there(work: Path) -> None:
    """For output sub/deep/o a tar may hold the folders sub and sub/deep as well."""
    folder = unpacked(work, tar_of(
        member("sub", kind=tarfile.DIRTYPE), member("sub/deep", kind=tarfile.DIRTYPE), member("sub/deep/o", b"1")),
        "sub/deep/o")
    assert (folder.path("0")).read_bytes() == b"1"


def test_abort_removes_everything(work: Path) -> None:
    """A stream that stops leaves nothing, and takes no more."""
    unpacker = Unpacker(work / "in" / "x", plan_outputs(work, ["o"]))
    unpacker.feed(tar_of(member("o", b"x" * 5000))[:2000])
    unpacker.abort()
    assert list((work / "in").iterdir()) == []
    with pytest.raises(BadTar):
        unpacker.feed(b"x" * 600)


def test_not_utf8(work: Path) -> None:
    """A name that is not UTF-8 comes through byte for byte."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w|", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        tar.addfile(tarfile.TarInfo("d/\xe9"))
    folder = unpacked(work, raw.getvalue(), "d")
    assert os.listdir(os.fsencode(folder.path("0"))) == [b"\xe9"]
