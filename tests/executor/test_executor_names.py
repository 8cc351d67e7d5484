"""Names, paths in commands and tar streams: what may be, and what is refused."""
from __future__ import annotations

import contextlib
import io
import os
import tarfile
import time
from types import SimpleNamespace

import pytest
from executor_fakes import run
from hypothesis import example, given
from hypothesis import strategies as st
from mfmesos_executor import outputs, procs
from mfmesos_executor.environ import base_environment
from mfmesos_executor.sandbox import BadName, Sandbox, normal, rewrite
from mfmesos_executor.unpack import BadStream, unpack

from mfmesos.cli import command_line
from mfmesos.scheduler.parts import policy_of
from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared import wire
from mfmesos.staging.names import relative

PLACES = {"/data/x": "/SB/x", "/data/x.idx": "/SB/i", "/w/in": "/SB/in", "/data/my file": "/SB/m",
          "/data/d'r": "/S B/d'r"}


@pytest.mark.parametrize(("before", "after"), [
    ("cat /data/x", "cat /SB/x"),
    ("cat /data/x.idx /data/x", "cat /SB/i /SB/x"),
    ("cat </data/x>/w/in;wc /data/x&", "cat </SB/x>/SB/in;wc /SB/x&"),
    ("a --db=/data/x,/data/x:/data/x '/data/x' \"/data/x\" $(cat /data/x)", None),
    ("cc -I/data/x -L /data/x", "cc -I/SB/x -L /SB/x"),
    ("ls /data/x/y", "ls /SB/x/y"),
    ("cat /other/data/x ./data/x ../data/x ~/data/x $D/data/x ${D}/data/x /data/x2 /data/x-y /data/x.old", ""),
    ("cat /data", ""),
    ("A=/data/x B+=:/data/x dd if=/data/x of=/data/x.idx", "A=/SB/x B+=:/SB/x dd if=/SB/x of=/SB/i"),
    ("java ILLUMINACLIP:/data/x:2:30 \"--db=/data/x\" \"/data/x\"/$i", None),
    ("cat /data/\"x\"", "cat /SB/x\"\""),
    ("(cat /data/x)|{ cat /data/x;}&&! cat 2>/data/x>>'/data/x' &>/data/x", None),
    ("echo `cat /data/x` \"got $(cat \"/data/x\" 'and /data/x') from /data/x\"",
     "echo `cat /SB/x` \"got $(cat \"/SB/x\" 'and /data/x') from /data/x\""),
    ("for f in /data/x; do case $f in /data/x) cat /data/x;; esac; done", None),
    ("x=$(case $f in a) cat /data/x;; esac); cat ${V:-/data/x} \"${V:=/data/x}\" ${f#/data/x/}", None),
    ("cat '/data/my file' /data/my\\ file \"/data/my file\" --in='/data/my file' >\"/data/my file\"",
     "cat '/SB/m' /SB/m \"/SB/m\" --in='/SB/m' >\"/SB/m\""),
    ("cat /data/d\\'r \"/data/d'r\"", "cat /S\\ B/d\\'r \"/S B/d'r\""),
    ("FILES='/data/x /data/x.idx' OPTS='-q --db=/data/x'", "FILES='/SB/x /SB/i' OPTS='-q --db=/SB/x'"),
])
def test_rewriting(before, after):
    """A declared path is replaced where the shell reads it as a word of its own; a longer path that contains it is
    not."""
    if after is None:
        after = before.replace("/data/x", "/SB/x")
    assert rewrite(before, PLACES) == (after or before)


@pytest.mark.parametrize("command", [
    "echo 'read from /data/x'",
    'echo "/data/x is missing"; echo "/data/x/y is missing"; MSG="from /data/x"',
    "printf 'see /data/x,/data/x\\n'",
    "awk '{print > \"/data/x\"}'",
    "sed 's|/data/x|y|'",
    "python3 -c 'print(\"/data/x\")'",
    "echo done with /data/x.",
    "true # /data/x",
    "cat <<END\n/data/x\nEND",
    "cat <<'A' <<-\\B\n/data/x\nA\n /data/x\n\tB\n",
    "cat <<< /data/x",
    "echo ssh:echo 'sh -c /data/x.'",
])
def test_text_is_left_alone(command):
    """A path in a message, another language's program, a here-document or a comment is data."""
    assert rewrite(command, PLACES) == command
    assert rewrite(f"{command}\ncat /data/x", PLACES) == f"{command}\ncat /SB/x"


@pytest.mark.parametrize(("before", "after"), [
    ("sh -c 'cat /data/x; echo \"from /data/x\"'", "sh -c 'cat /SB/x; echo \"from /data/x\"'"),
    ("env A=1 bash -o pipefail -euc \"cat \\\"/data/d'r\\\" > $OUT\" 'a /data/x'",
     "env A=1 bash -o pipefail -euc \"cat \\\"/S B/d'r\\\" > $OUT\" 'a /data/x'"),
    ("find . | xargs -I{} sh -c \"sh -c 'cat {} /data/x'\"", "find . | xargs -I{} sh -c \"sh -c 'cat {} /SB/x'\""),
    ("trap 'rm /data/x' EXIT; eval 'cat /data/x'", "trap 'rm /SB/x' EXIT; eval 'cat /SB/x'"),
    ("/bin/sh run.sh 'from /data/x'", "/bin/sh run.sh 'from /data/x'"),
])
def test_commands_for_another_shell(before, after):
    """What is quoted for sh -c, eval or trap are words like any other, with text in them like any other."""
    assert rewrite(before, PLACES) == after


def test_a_name_with_spaces_below_a_folder(tmp_path):
    """It is a name if it is there; else it is a message that begins with the folder's name."""
    (tmp_path / "a b").touch()
    places = {"/data/x": str(tmp_path)}
    assert rewrite("cat '/data/x/a b' '/data/x/a c'", places) == f"cat '{tmp_path}/a b' '/data/x/a c'"


@given(st.text("/x'\"\\`$(){}<> \n;#=-c", max_size=80))
@example("$(" * 3000 + "/x")
@example("${a:-" * 3000 + "/x")
@example("sh -c '" * 400)
def test_any_text_is_survived(command):
    """Whatever the quotes and brackets, nothing fails, and what shells understand stays what they understand."""
    rewrite(command, {"/x": "/SB y/z"})
    assert rewrite(command, {"/x": "/x"}) == command or "\\" in command or '"' in command or "'" in command


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
    """Variables of Mesos, and those with secret in their names, are not for tasks; PATH is always set."""
    agent = {"PATH": "", "MESOS_X": "1", "GITHUB_TOKEN": "1", "DB_PASSWORD": "1", "LANG": "C", "OLDPWD": "/", "_": "x"}
    assert set(base_environment(agent)) == {"PATH", "LANG"}
    assert base_environment(agent)["PATH"].endswith("/bin")


def test_psutil_in_place_of_proc():
    """Without /proc, psutil gives the same."""
    here = procs.table()[os.getpid()]
    there = {p.pid: p for p in procs._all_of_psutil()}[os.getpid()]
    assert (there.ppid, there.session, there.group) == (here.ppid, here.session, here.group)
    assert abs(there.rss_bytes - here.rss_bytes) < 50 << 20


def test_a_command_that_is_to_be_left_as_it_is():
    """--no-rewrite reaches the executor with each attempt, and an executor of before is not disturbed by it."""
    options = command_line.makeflow.make_context("makeflow", []).params
    for left in (False, True):
        settings = command_line.task_settings({**options, "no_rewrite": left})
        policy = policy_of(SchedulerConfig("/w", **settings))
        message = run("1.1", "cat /data/x", [wire.Input("/data/x", "0", 0)], rewrite=policy.rewrite)
        answer = wire.load_sync_answer(wire.dumps(wire.SyncAnswer(run=[message])))
        assert Sandbox("/box", answer.run[0]).command() == ("cat /data/x" if left else "cat /box/abs/data/x")


def test_outputs_that_lie_in_others():
    """What lies in another output is part of it; 20,000 outputs take no longer than their names are read."""
    names = ["a", "a/b", "ab", "c/d", "/x/y", "/x/y/z", "..", "../e"]
    assert outputs.roots(SimpleNamespace(delivered=names)) == ["a", "ab", "c/d", "/x/y", ".."]
    begin = time.process_time()
    assert len(outputs.roots(SimpleNamespace(delivered=[f"out/{i}" for i in range(20_000)]))) == 20_000
    assert time.process_time() - begin < 5.0
