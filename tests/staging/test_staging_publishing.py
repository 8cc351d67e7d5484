"""From delivered outputs to final names: all or nothing, and existing files are safe."""
from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from staging_help import member, tar_of
from support import need

from mfmesos.shared.tarmarks import tar_owner
from mfmesos.staging import publishing
from mfmesos.staging.incoming import unpack
from mfmesos.staging.names import NameRefused, check_attempt, output_name, plan_outputs, relative
from mfmesos.staging.publish_errors import PublishError
from mfmesos.staging.received import Received


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / ".mfmesos" / "incoming").mkdir(parents=True)
    return work


def staged(work: Path, **outputs: Any) -> Received:
    """Delivered: bytes for a file, a dict for a folder; "__" in a name means "/"."""
    members = []
    for name, content in outputs.items():
        name = name.replace("__", "/")
        if isinstance(content, dict):
            members.append(member(name, kind=b"5", mode=0o755))
            members += [member(f"{name}/{n}", c, 0o755) for n, c in content.items()]
        else:
            members.append(member(name, content))
    names = [n.replace("__", "/") for n in outputs]
    return unpack(work / ".mfmesos" / "incoming" / "1.1-1", plan_outputs(work, names), tar_of(*members))


def contents(work: Path) -> dict[str, bytes]:
    """Every file of the folder, our own included."""
    return {str(p.relative_to(work)): p.read_bytes() for p in work.rglob("*") if p.is_file()}


def fail(work: Path, what: Received) -> PublishError:
    before = contents(work)
    before = {k: v for k, v in before.items() if not k.startswith(".mfmesos")}
    with pytest.raises(PublishError) as e:
        publishing.publish(work, what)
    assert contents(work) == before, "the folder is not as it was"
    assert list((work / ".mfmesos" / "incoming").iterdir()) == []
    assert "\n" not in e.value.reason
    return e.value


def test_files_and_folders_land(work: Path) -> None:
    """Files, files in folders that do not exist yet, and folders, merged into existing ones; nothing is left over."""
    (work / "a").write_bytes(b"old")
    (work / "d").mkdir()
    (work / "d" / "old").write_bytes(b"old")
    publishing.publish(work, staged(work, a=b"A", sub__deep__b=b"B", d={"x": b"X"}))
    assert contents(work) == {"a": b"A", "sub/deep/b": b"B", "d/x": b"X", "d/old": b"old"}
    assert list((work / ".mfmesos" / "incoming").iterdir()) == []


@pytest.mark.parametrize(("outputs", "folders"), [
    ({"a": b"A"}, False), ({"a__b": b"A"}, False), ({"d": {}}, True), ({"a": b"A", "d": {"x": b"X"}}, True)])
def test_a_delivery_knows_whether_it_has_folders(work: Path, outputs: dict[str, Any], folders: bool) -> None:
    """Those are looked at more closely, and published by a thread; a file in a folder is none."""
    assert staged(work, **outputs).folders is folders


def test_a_delivery_of_nothing(work: Path) -> None:
    """A task without outputs whose executor sends an empty stream all the same."""
    publishing.publish(work, staged(work))
    assert contents(work) == {}


def test_one_file_takes_one_call(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual delivery, a new file in the workflow's folder itself, is renamed without looking at anything; with
    anything in the way it is published like any other."""
    def unwanted(*_: Any) -> None:
        raise AssertionError("it was prepared")
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_prepare", unwanted)
        publishing.publish(work, staged(work, a=b"new"))
    assert contents(work) == {"a": b"new"}
    (work / "b").mkdir()
    assert "b" in fail(work, staged(work, b=b"B")).reason


def folders(work: Path, **files: bytes) -> Received:
    """Delivered: the folder d with these files, "__" for "/", and an empty folder d/empty."""
    tar = tar_of(member("d", kind=b"5", mode=0o755), member("d/empty", kind=b"5", mode=0o755),
                 *(member("d/" + name.replace("__", "/"), content) for name, content in files.items()))
    return unpack(work / ".mfmesos" / "incoming" / "1.1-1", plan_outputs(work, ["d"]), tar)


def test_a_folder_is_merged(work: Path) -> None:
    """What the task made replaces what has the same name, at any depth; all else stays, the modes too."""
    for name in ("d/notes", "d/sub/notes", "d/sub/x", "d/x.1.old"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(b"mine")
    (work / "d" / "sub").chmod(0o750)
    publishing.publish(work, folders(work, x=b"X", sub__x=b"S", sub__new__y=b"Y"))
    assert contents(work) == {"d/notes": b"mine", "d/sub/notes": b"mine", "d/x.1.old": b"mine", "d/x": b"X",
                              "d/sub/x": b"S", "d/sub/new/y": b"Y"}
    assert (work / "d" / "empty").is_dir()
    assert (work / "d" / "sub").stat().st_mode & 0o777 == 0o750
    assert list((work / ".mfmesos" / "incoming").iterdir()) == []


def test_a_file_and_a_folder_of_one_name_in_a_merged_folder(work: Path) -> None:
    """On either side: refused, and nothing has changed."""
    (work / "d" / "x").mkdir(parents=True)
    (work / "d" / "x" / "precious").write_bytes(b"1")
    (work / "d" / "y").write_bytes(b"1")
    for made in ({"a": b"1", "x": b"1"}, {"a": b"1", "y__z": b"1"}):
        e = fail(work, folders(work, **made))
        assert e.local
        assert "move it away" in e.reason


def test_a_merge_fails_half_way(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaced files are back, new files are gone, and the user's files still exist."""
    for name in ("a", "b", "notes"):
        (work / "d").mkdir(exist_ok=True)
        (work / "d" / name).write_bytes(b"old " + name.encode())
    real = os.rename

    def rename(source: str, target: str) -> None:
        if str(target) == f"{work}/d/c":
            raise OSError(errno.EACCES, "no")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    assert "permission" in fail(work, folders(work, a=b"A", b=b"B", c=b"C", sub__x=b"X")).reason
    assert sorted(p.name for p in (work / "d").iterdir()) == ["a", "b", "notes"]


def test_merging_through_links(work: Path, tmp_path: Path) -> None:
    """A link to a folder within the workflow's is gone through; one that leads out is refused, at any depth."""
    (tmp_path / "out").mkdir()
    (work / "real").mkdir()
    (work / "d").symlink_to("real")
    publishing.publish(work, folders(work, x=b"X"))
    assert (work / "real" / "x").read_bytes() == b"X"
    (work / "real" / "sub").symlink_to(tmp_path / "out")
    assert "leads out" in fail(work, folders(work, sub__x=b"X")).reason
    (work / "d").unlink()
    (work / "d").symlink_to(tmp_path / "out")
    assert "leads out" in fail(work, folders(work, x=b"X")).reason
    assert list((tmp_path / "out").iterdir()) == []


def test_another_task_makes_the_folder_meanwhile(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the rename: merged after all."""
    what, real = folders(work, x=b"X"), os.rename

    def rename(source: str, target: str) -> None:
        if str(target) == f"{work}/d" and not (work / "d").exists():
            (work / "d").mkdir()
            (work / "d" / "other").write_bytes(b"O")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    publishing.publish(work, what)
    assert contents(work) == {"d/x": b"X", "d/other": b"O"}


def test_own_files_by_way_of_a_link(work: Path) -> None:
    """Neither the task file nor a file of the protocol is written, whatever link leads to it."""
    (work / "tasks.jsonl").write_bytes(b"tasks")
    (work / "here").symlink_to(".")
    for name in ("here__tasks.jsonl", "here__here__mesos_task_state"):
        what = staged(work, **{name: b"1"})
        with pytest.raises(PublishError, match=r"own file|uses itself"):
            publishing.publish(work, what, ["tasks.jsonl"])
    assert contents(work) == {"tasks.jsonl": b"tasks"}


def test_own_files_in_a_folder_that_is_merged_through_a_link(work: Path) -> None:
    """The declared folder, or one in it, is a link to the workflow's folder: the task file stays as it is."""
    (work / "tasks.jsonl").write_bytes(b"tasks")
    (work / "d").symlink_to(".")
    (work / "real").mkdir()
    (work / "real" / "up").symlink_to("..")
    for name in ("tasks.jsonl", "real/up/mesos_task_state", "real/up/.mfmesos/journal"):
        what = folders(work, **{name: b"1"})
        with pytest.raises(PublishError, match=r"own file|uses itself"):
            publishing.publish(work, what, ["tasks.jsonl"])
    assert contents(work) == {"tasks.jsonl": b"tasks"}


def test_what_arrived_is_gone(work: Path) -> None:
    """Somebody has removed it: the cluster's failure, so that it is made again."""
    what = staged(work, a=b"1", b=b"2")
    os.unlink(what.path(1))
    e = fail(work, what)
    assert not e.local
    assert "output b was received, but is gone" in e.reason


def test_folder_replaces_file(work: Path) -> None:
    """As a single output, too. The file may be the user's: it is kept beside the folder, under a free name."""
    for number, before in enumerate((b"old", b"older")):
        shutil.rmtree(work / "d", ignore_errors=True)
        (work / "d").write_bytes(before)
        publishing.publish(work, staged(work, d={"x": b"X"}, **({"e": b"E"} if number else {})))
    assert contents(work) == {
        "d/x": b"X", "e": b"E", "d.before-rerun": b"old", "d.before-rerun.2": b"older"}


def test_folder_that_cannot_replace_a_file_leaves_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has its own name again when a later output cannot be put in place."""
    (work / "d").write_bytes(b"old")
    what, real = staged(work, d={"x": b"X"}, e=b"E"), os.rename

    def rename(source: str, target: str) -> None:
        if str(target) == f"{work}/e":
            raise OSError(errno.EIO, "broken")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    fail(work, what)


def test_file_does_not_replace_folder(work: Path) -> None:
    """A folder of the user's is never removed for a file."""
    (work / "o").mkdir()
    (work / "o" / "precious").write_bytes(b"1")
    e = fail(work, staged(work, o=b"1"))
    assert e.local
    assert "folder" in e.reason


def test_link_at_the_final_name_is_replaced(work: Path, tmp_path: Path) -> None:
    """Never written through."""
    (tmp_path / "outside").write_bytes(b"precious")
    (work / "o").symlink_to(tmp_path / "outside")
    publishing.publish(work, staged(work, o=b"new"))
    assert (tmp_path / "outside").read_bytes() == b"precious"
    assert not (work / "o").is_symlink()


def test_parent_that_leads_out_is_refused(work: Path, tmp_path: Path) -> None:
    """A symbolic link out of the folder on the way to an output, at any depth; one within the folder is fine."""
    (tmp_path / "out").mkdir()
    (work / "sub").mkdir()
    (work / "sub" / "l").symlink_to(tmp_path / "out")
    (work / "l").symlink_to("../out")
    (work / "fine").symlink_to("sub")
    for name in ("l__o", "sub__l__o", "sub__l__deep__o"):
        e = fail(work, staged(work, a=b"1", **{name: b"1"}))
        assert e.local
        assert "symbolic link" in e.reason
    assert list((tmp_path / "out").iterdir()) == []
    publishing.publish(work, staged(work, fine__o=b"1"))
    assert (work / "sub" / "o").read_bytes() == b"1"


def test_parent_that_is_a_file(work: Path) -> None:
    """Named in plain words, and local."""
    (work / "sub").write_bytes(b"file")
    assert fail(work, staged(work, sub__o=b"1")).local


@pytest.mark.parametrize("number", range(3))
def test_rename_fails_half_way(work: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever rename fails: those done before are undone, replaced files are back, new folders are gone."""
    (work / "b").write_bytes(b"old b")
    (work / "d").mkdir()
    (work / "d" / "x").write_bytes(b"old x")
    what = staged(work, new__a=b"A", b=b"B", d={"x": b"X"})
    real, done = os.rename, []

    def rename(source: str, target: str) -> None:
        if str(target) in {f"{work}/new/a", f"{work}/b", f"{work}/d/x"} and not done.count("failed"):
            if len(done) == number:
                done.append("failed")
                raise OSError(errno.EACCES, "no")
            done.append(target)
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    e = fail(work, what)
    assert e.local
    assert "permission" in e.reason
    assert sorted(p.name for p in work.iterdir()) == [".mfmesos", "b", "d"]


def test_other_file_system(work: Path) -> None:
    """Where the incoming folder is another file system than the outputs': copied, modes kept, nothing left beside."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        assert os.stat(other).st_dev != os.stat(work).st_dev, "this test needs /dev/shm to be a file system of its own"
        (work / ".mfmesos" / "incoming").rmdir()
        (work / ".mfmesos" / "incoming").symlink_to(other)
        (work / "a").write_bytes(b"old")
        publishing.publish(work, staged(work, a=b"A", sub__b=b"B", d={"x": b"X"}))
        assert contents(work) == {"a": b"A", "sub/b": b"B", "d/x": b"X"}
        assert os.access(work / "d" / "x", os.X_OK)
        assert sorted(p.name for p in work.iterdir()) == [".mfmesos", "a", "d", "sub"]
        assert os.listdir(other) == []


def test_other_file_system_keeps_what_the_task_made(work: Path) -> None:
    """Links, modes, times and holes; merged into existing folders as on the same file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        (work / ".mfmesos" / "incoming").rmdir()
        (work / ".mfmesos" / "incoming").symlink_to(other)
        (work / "d" / "sub").mkdir(parents=True)
        (work / "d" / "sub" / "notes").write_bytes(b"mine")
        what = staged(work, d={"x": b"X", "sub/y": b"Y"})
        made = Path(what.path(0))
        (made / "link").symlink_to("x")
        (made / "lost").symlink_to("/nonexistent")
        (made / "x").chmod(0o664)
        os.truncate(made / "sub" / "y", 1 << 28)
        for name in ("x", "sub/y"):
            os.utime(made / name, ns=(5, 10**18 + 7))
        publishing.publish(work, what)
        assert sorted(p.name for p in (work / "d").rglob("*")) == ["link", "lost", "notes", "sub", "x", "y"]
        assert os.readlink(work / "d" / "link") == "x"
        found = [(work / "d" / name).stat() for name in ("x", "sub/y")]
        assert [s.st_mtime_ns for s in found] == [10**18 + 7] * 2
        assert found[0].st_mode & 0o777 == 0o664
        assert found[1].st_blocks * 512 < 1 << 20
        assert os.listdir(other) == []


def test_a_folder_onto_a_full_file_system(work: Path) -> None:
    """Named in plain words and to be tried again; what the whole disk could never hold fails, and says so."""
    small = work / "small"
    small.mkdir()
    mounted = os.system(f"mount -t tmpfs -o size=2m none {small} 2>/dev/null") == 0
    need(mounted, "a small file system could not be mounted", "run the tests as root")
    try:
        (small / "other").write_bytes(bytes(1_500_000))
        e = fail(work, staged(work, small__d={"a": bytes(1_000_000), "b": b"1"}))
        assert (e.local, e.full) == (True, True)
        assert "the disk is full" in e.reason
        assert os.listdir(small) == ["other"]
        e = fail(work, staged(work, small__d={"a": bytes(3_000_000)}))
        assert (e.local, e.full) == (True, False)
        assert "more than the whole disk" in e.reason
    finally:
        os.system(f"umount -l {small}")


def test_other_file_system_full(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while copying: local, in plain words, nothing left."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        (work / ".mfmesos" / "incoming").rmdir()
        (work / ".mfmesos" / "incoming").symlink_to(other)
        (work / "a").write_bytes(b"old")
        what = staged(work, new__a=b"A", a=b"B")

        def full(source: str, target: str, **_: Any) -> None:
            Path(target).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(publishing.shutil, "copyfile", full)
        e = fail(work, what)
        assert e.local
        assert "disk is full" in e.reason


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_modes_and_times(work: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Outputs are unpacked and published, there or from another file system, without them; other errors are errors."""
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    for name in ("chmod", "fchmod", "utime", "link"):
        monkeypatch.setattr(os, name, refuse)
    members = [member("a", b"A", 0o666), member("d", b"", 0o777, b"5"), member("d/x", b"X", 0o777)]
    for info, _ in members:
        info.mtime, info.uname = 10**9, tar_owner(7)
    tar = tar_of(*members)
    (work / "a").write_bytes(b"old")
    for incoming in (work / ".mfmesos" / "incoming", None):
        with tempfile.TemporaryDirectory(dir=incoming or "/dev/shm") as folder:
            publishing.publish(work, unpack(f"{folder}/1.1-1", plan_outputs(work, ("a", "d")), tar))
        assert contents(work) == {"a": b"A", "d/x": b"X"}
    number = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        unpack(f"{work}/.mfmesos/incoming/2.1-1", plan_outputs(work, ("a", "d")), tar)


def test_other_mount_of_the_same_file_system(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device number is the same and rename still says EXDEV (a bind mount): copied."""
    real = os.rename

    def rename(source: str, target: str) -> None:
        if ".mfmesos/incoming" in str(source) and ".mfmesos/incoming" not in str(target):
            raise OSError(errno.EXDEV, "other mount")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    publishing.publish(work, staged(work, a=b"A", sub__b=b"B"))
    assert contents(work) == {"a": b"A", "sub/b": b"B"}


def test_undo_with_one_file_of_two_names(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup is a second name of the replaced file; when nothing was replaced yet, it is removed and the first name
    stays."""
    (work / "a").write_bytes(b"old")
    what = staged(work, a=b"A", b=b"B")
    real = os.rename

    def rename(source: str, target: str) -> None:
        if str(target) == f"{work}/a" and not str(source).endswith(".old"):
            raise OSError(errno.ENOSPC, "full")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    assert "disk is full" in fail(work, what).reason


# --- names --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [
    "", " ", ".", "..", "../x", "a/../..", "/etc/passwd", "a\0b", ".mfmesos", ".mfmesos/log", "mesos_task_state",
    "./mesos_task_info", "x/../mesos_done", "/",
])
def test_outputs_that_cannot_be(work: Path, name: str) -> None:
    """Outside the folder, empty, or a name of our own: one plain line."""
    with pytest.raises(NameRefused) as e:
        output_name(work, name)
    assert "\n" not in str(e.value)


def test_output_names_are_normalised(work: Path) -> None:
    """Detours go, an absolute name in the folder becomes relative, doubles are one."""
    assert plan_outputs(work, ["./a", "a", "b//c", f"{work}/d", "x/../e"]).names == ("a", "b/c", "d", "e")
    assert plan_outputs(work, ["d/x", "d", "d/y/z", "dd"]).roots == ("d", "dd")


def test_absolute_names_through_a_link(work: Path, tmp_path: Path) -> None:
    """The workflow's folder may be known by two names."""
    (tmp_path / "alias").symlink_to(work)
    assert output_name(tmp_path / "alias", f"{work}/x") == "x"
    assert output_name(tmp_path / "alias", f"{tmp_path}/alias/x") == "x"


@given(st.text(alphabet="./ab", max_size=14))
def test_no_output_name_leads_out(name: str) -> None:
    """Whatever passes lies below the folder, has no detour, and is a fixed point."""
    base = Path("/nowhere/work")
    try:
        found = output_name(base, name)
    except NameRefused:
        return
    assert os.path.normpath(base / found) == f"{base}/{found}"
    assert not {"", ".", ".."} & set(found.split("/"))
    assert output_name(base, found) == found
    assert relative(base, found) == found


@pytest.mark.parametrize("attempt", ["", "../x", "a/b", ".x", "x..y", "a b", "x\n", "a" * 300])
def test_attempt_ids(attempt: str) -> None:
    """An id that could be a path to elsewhere is refused."""
    with pytest.raises(ValueError, match="id"):
        check_attempt(attempt)
    assert check_attempt("17.1") == "17.1"
