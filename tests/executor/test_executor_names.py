"""Names, paths in commands and tar streams: what may be, and what is refused."""
from __future__ import annotations

import contextlib
import io
import os
import tarfile

import pytest
from executor_fakes import run
from hypothesis import given
from hypothesis import strategies as st
from mfmesos_executor import outputs, procs
from mfmesos_executor.environ import base_environment
from mfmesos_executor.sandbox import BadName, Sandbox, normal, rewrite
from mfmesos_executor.unpack import BadStream, unpack

from mfmesos import wire
from mfmesos.staging.names import relative

PLACES = {"/data/x": "/SB/x", "/data/x.idx": "/SB/i", "/w/in": "/SB/in"}


@pytest.mark.parametrize(("before", "after"), [
    ("cat /data/x", "cat /SB/x"),
    ("cat /data/x.idx /data/x", "cat /SB/i /SB/x"),
    ("cat </data/x>/w/in;wc /data/x&", "cat </SB/x>/SB/in;wc /SB/x&"),
    ("a --db=/data/x,/data/x:/data/x '/data/x' \"/data/x\" $(cat /data/x)", None),
    ("cc -I/data/x -L /data/x", "cc -I/SB/x -L /SB/x"),
    ("ls /data/x/y", "ls /SB/x/y"),
    ("echo done with /data/x.", "echo done with /SB/x."),
    ("cat /other/data/x ./data/x ../data/x ~/data/x $D/data/x ${D}/data/x /data/x2 /data/x-y /data/x.old", ""),
    ("cat /data", ""),
])
def test_rewriting(before, after):
    """A declared path is replaced where it stands by itself; a longer path that contains it is not."""
    if after is None:
        after = before.replace("/data/x", "/SB/x")
    assert rewrite(before, PLACES) == (after or before)


@given(st.text("abc/. \"'$-=\n", max_size=60))
def test_rewriting_leaves_the_rest_alone(command):
    """A command without a declared path is not changed."""
    assert rewrite(command, PLACES) == command


@given(st.text("ab/.", min_size=1, max_size=20))
def test_both_sides_normalise_alike(name):
    """What the executor calls an output is what the staging side calls it."""
    from pathlib import Path

    for full in (name, f"/no/such/{name}"):
        assert normal("/no/such", full) == relative(Path("/no/such"), full)


NAMES = st.lists(st.text("ab/.", min_size=1, max_size=12), max_size=5)


@given(NAMES, NAMES)
def test_every_name_lies_in_the_sandbox(inputs, names):
    """Whatever the names, inputs and outputs lie below the attempt's own folder."""
    box = Sandbox("/box/7", run("1.1", "true", [wire.Input(n, "0", 0) for n in inputs], names, workdir="/w/dir"))
    for name in [*box.inputs, *box.outputs]:
        assert os.path.normpath(box.path(name)).startswith(("/box/7/work", "/box/7/abs"))


def test_names_that_cannot_be():
    """Empty names and zero bytes are refused in words."""
    for name in ("", "a\0b"):
        with pytest.raises(BadName, match="not a file name"):
            normal("/w", name)


@given(st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=300), st.integers(0, 1 << 45),
       st.integers(0, 0o777), st.booleans())
def test_headers_are_what_tar_reads(name, size, mode, is_dir):
    """Any name, size and mode comes back out of Python's tarfile."""
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return
    raw = outputs.header(outputs.Member(name, "", 0 if is_dir else size, mode, is_dir))
    with tarfile.open(fileobj=io.BytesIO(raw + bytes(1024)), encoding="utf-8") as tar:
        member = tar.next()
    assert (member.name, member.mode, member.isdir()) == (name, mode, is_dir)
    assert member.size == (0 if is_dir else size)


def _tar(*members: tuple[str, bytes, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info)
    return raw.getvalue()


@pytest.mark.parametrize("members", [
    [("../x", tarfile.REGTYPE, "")],
    [("/etc/x", tarfile.REGTYPE, "")],
    [("a/../../x", tarfile.DIRTYPE, "")],
    [("l", tarfile.SYMTYPE, "/etc")],
    [("l", tarfile.SYMTYPE, "../..")],
    [("l", tarfile.SYMTYPE, "x/../.."), ("l/x", tarfile.REGTYPE, "")],
    [("l", tarfile.LNKTYPE, "/etc/passwd")],
    [("p", tarfile.FIFOTYPE, "")],
    [("d", tarfile.CHRTYPE, "")],
])
def test_folders_that_would_break_out(tmp_path, members):
    """A tar stream that leads out of its folder, or holds what is no file, is refused; nothing is written outside."""
    with pytest.raises((BadStream, OSError)):
        unpack([_tar(*members)], str(tmp_path / "box"))
    assert {p.name for p in tmp_path.iterdir()} == {"box"}


@given(st.binary(max_size=2000))
def test_rubbish_is_no_folder(tmp_path_factory, raw):
    """Anything else than a tar ends in BadStream or in the wrong digest, never in a crash."""
    folder = tmp_path_factory.mktemp("rubbish") / "box"
    with contextlib.suppress(BadStream):
        unpack([raw], str(folder))
    assert not folder.exists() or not list(folder.iterdir())


def test_secrets_stay_behind():
    """Variables of Mesos, and those whose names say secret, are not for tasks; PATH is always there."""
    agent = {"PATH": "", "MESOS_X": "1", "GITHUB_TOKEN": "1", "DB_PASSWORD": "1", "LANG": "C", "OLDPWD": "/", "_": "x"}
    assert set(base_environment(agent)) == {"PATH", "LANG"}
    assert base_environment(agent)["PATH"].endswith("/bin")


def test_psutil_in_place_of_proc():
    """Where there is no /proc, psutil tells the same."""
    here = procs.table()[os.getpid()]
    there = {p.pid: p for p in procs._all_of_psutil()}[os.getpid()]
    assert (there.ppid, there.session, there.group) == (here.ppid, here.session, here.group)
    assert abs(there.rss_bytes - here.rss_bytes) < 50 << 20
