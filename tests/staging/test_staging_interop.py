"""The staging server and the executor's own code understand each other's streams."""
from __future__ import annotations

from pathlib import Path

from mfmesos_executor import outputs as theirs
from mfmesos_executor.unpack import unpack as unpack_there

from mfmesos.staging.names import plan_outputs
from mfmesos.staging.outputs import unpack
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
    found = {plan.roots[int(p.relative_to(staged.folder).parts[0])]: p for p in staged.folder.rglob("*") if p.is_file()}
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
    """The stream of an input folder, links inside it included, is unpacked by the executor as it is here."""
    source = tmp_path / "source"
    (source / "b" / "empty").mkdir(parents=True)
    (source / "b" / "run").write_bytes(b"#!/bin/sh\n")
    (source / "b" / "run").chmod(0o755)
    (source / ("n" * 200)).write_bytes(bytes(3_000_000))
    (source / "ü").write_bytes(b"1")
    (source / "link").symlink_to("b/run")
    (source / "b" / "up").symlink_to("../ü")
    size = unpack_there(tar_stream(walk(str(source))), str(tmp_path / "there"))
    assert size == sum(r.size for r in walk(str(source)))
    rows = [[(r.name, r.kind, r.mode, r.size, r.target) for r in walk(str(f))] for f in (source, tmp_path / "there")]
    assert rows[0] == rows[1]
    assert (tmp_path / "there" / "link").read_bytes() == b"#!/bin/sh\n"
