"""Which name lies in which folder, what leads out of it, and which file of the incoming folder is whose."""
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mfmesos.shared.symlinks import leads_out, lies_in, name_in
from mfmesos.shared.wire import MAX_DEPTH
from mfmesos.staging.incoming import MemberNames
from mfmesos.staging.names import OutputPlan, lies_outside, real_name
from mfmesos.staging.publish_errors import of_system
from mfmesos.staging.received import OLD, Received, attempt_of, number_of, owner_of, stem_of
from mfmesos.staging.tarstream import BadTar

ATTEMPT = "17.c0ffee.1"


@pytest.mark.parametrize(("folder", "path", "name"), [
    ("/w", "/w", "."), ("/w", "/w/a", "a"), ("/w", "/w/a/b", "a/b"), ("/w", "/wa", None), ("/w", "/", None),
    ("/", "/", "."), ("/", "/a", "a"), ("a", "a/b", "b"), ("a", "ab", None), ("/w/a", "/w", None),
])
def test_name_in(folder: str, path: str, name: str | None) -> None:
    """As both are written; a folder whose name begins alike is another one."""
    assert name_in(folder, path) == name
    assert lies_in(folder, path) is (name is not None)


@pytest.mark.parametrize(("name", "outside"), [
    ("a", False), ("a/b", False), ("..a", False), (".", False), ("..", True), ("../a", True), ("/a", True)])
def test_lies_outside(name: str, outside: bool) -> None:
    """Of the workflow's folder, without a look at the disk."""
    assert lies_outside(name) is outside


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """With links to a folder and a file in it, out of it, round about, and to nothing."""
    work = tmp_path / "work"
    (work / "d").mkdir(parents=True)
    (work / "f").touch()
    (tmp_path / "elsewhere").mkdir()
    links = {"in": "d", "up": ".", "out": "../elsewhere", "back": "../elsewhere/../work/d", "file": "f",
             "nothing": "d/missing", "nothing-out": "../missing", "d/over": "../out"}
    for name, target in links.items():
        (work / name).symlink_to(target)
    return work


@pytest.mark.parametrize(("name", "out"), [
    ("d", False), ("missing", False), ("missing/x", False), ("in", False), ("in/x", False), ("up", False),
    ("back/x", False), ("file", False), ("nothing", False), ("", False),
    ("out", True), ("out/x", True), ("nothing-out", True), ("d/over", True), ("in/over/x", True), ("..", True),
])
def test_leads_out(work: Path, name: str, out: bool) -> None:
    """All links are followed, also those in folders on the way; the file itself need not exist."""
    assert leads_out(str(work), f"{work}/{name}") is out


def test_leads_out_of_a_folder_that_is_a_link(work: Path) -> None:
    """The folder itself may be reached by a link."""
    other = work.parent / "other"
    other.symlink_to(work)
    assert not leads_out(str(other), f"{work}/d")
    assert not leads_out(str(work), f"{other}/d")


@pytest.mark.parametrize(("name", "real"), [
    ("f", "f"), ("file", "file"), ("in/x", "d/x"), ("up/f", "f"), ("up/up/in/x", "d/x"), ("d/x", "d/x")])
def test_real_name(work: Path, name: str, real: str) -> None:
    """Links on the way are followed, the output itself is not."""
    assert real_name(work, name) == real


@pytest.mark.parametrize(("path", "owner"), [
    ("", f"{ATTEMPT}-3"), (".whole", f"{ATTEMPT}-3"), (".0", f"{ATTEMPT}-3"), (".12", f"{ATTEMPT}-3")])
def test_whose_a_name_is(path: str, owner: str) -> None:
    """A name in the incoming folder gives its delivery's stem, and that the attempt and the number."""
    stem = stem_of(ATTEMPT, 3)
    assert stem == owner
    assert (attempt_of(stem), number_of(stem)) == (ATTEMPT, 3)
    if path:
        assert owner_of(f"{stem}{path}") == owner


def test_the_names_of_a_delivery() -> None:
    """None of them meets another one, and a backup is no delivery's own."""
    received = Received(f"/w/.mfmesos/incoming/{ATTEMPT}-3", OutputPlan(("a", "b"), ("a", "b")))
    assert (received.attempt_id, received.incoming) == (ATTEMPT, "/w/.mfmesos/incoming")
    names = {
        received.path(1): f"/w/.mfmesos/incoming/{ATTEMPT}-3.1",
        received.mark: f"/w/.mfmesos/incoming/{ATTEMPT}-3.whole",
        received.backup_path("/w/d/a", 1, beside=False): f"/w/.mfmesos/incoming/{ATTEMPT}-3.1.old",
        received.copy_path("/w/d/a", 1): f"/w/d/.mfmesos-{ATTEMPT}-3.1",
        received.backup_path("/w/d/a", 1, beside=True): f"/w/d/.mfmesos-{ATTEMPT}-3.1.old",
    }
    assert list(names) == list(names.values())
    backup = os.path.basename(received.backup_path("/w/d/a", 1, beside=False))
    assert backup.endswith(OLD)
    assert owner_of(backup) != f"{ATTEMPT}-3"


@pytest.mark.parametrize(("number", "gone", "local", "full"), [
    (errno.ENOSPC, False, True, True), (errno.EDQUOT, False, True, True), (errno.EMFILE, False, True, True),
    (errno.EACCES, False, True, False), (errno.EIO, False, True, False), (errno.ENAMETOOLONG, False, False, False),
    (errno.ENOENT, False, False, False), (errno.ENOENT, True, True, True),
])
def test_whose_fault_an_error_is(number: int, gone: bool, local: bool, full: bool) -> None:
    """Our own machine's, or the attempt's; and whether a later try may succeed."""
    found = of_system("output a could not be put in place", OSError(number, os.strerror(number)), " (/w)", gone=gone)
    assert (found.local, found.full) == (local, full)
    assert found.reason.startswith("output a could not be put in place: ")
    assert found.reason.endswith(" (/w)")


PLAN = OutputPlan(("a", "d", "d/in", "e/f"), ("a", "d", "e/f"))


@pytest.mark.parametrize(("name", "found"), [
    ("a", (0, "")), ("d", (1, "")), ("d/in", (1, "in")), ("d/x/y", (1, "x/y")), ("e/f", (2, "")), ("e/f/g", (2, "g"))])
def test_what_a_member_belongs_to(name: str, found: tuple[int, str]) -> None:
    """The root, by index, and the name in it."""
    assert MemberNames(PLAN).locate(name) == found


@pytest.mark.parametrize(("name", "reason"), [
    ("b", "is not a declared output"), ("e", "is not a declared output"), ("e/g", "is not a declared output"),
    ("da", "is not a declared output"), ("", "is not a name below"), ("/a", "is not a name below"),
    ("d/../a", "is not a name below"), ("d//x", "is not a name below"), ("d/./x", "is not a name below"),
    ("d/" * (MAX_DEPTH + 1) + "x", f"more than {MAX_DEPTH} folders"),
])
def test_members_of_no_output(name: str, reason: str) -> None:
    """Undeclared, or written such that it could lead elsewhere."""
    with pytest.raises(BadTar, match=reason):
        MemberNames(PLAN).locate(name)


@pytest.mark.parametrize(("came", "missing"), [
    ((), "a"), (("a",), "d"), (("a", "d/in"), "e/f"), (("a", "d/x"), "d/in"), (("a", "d/in", "e/f/g"), None)])
def test_missing_outputs(came: tuple[str, ...], missing: str | None) -> None:
    """A root has come with its first member; an output declared in a folder has to come itself."""
    names = MemberNames(PLAN)
    for name in came:
        assert not names.note(name, names.locate(name)[0])
    assert names.missing() == missing


@pytest.mark.parametrize(("name", "before", "twice"), [
    ("a", True, False), ("d/in", True, True), ("d/x", False, False)],
    ids=["a root", "declared in a declared folder", "not declared itself"])
def test_a_member_that_comes_again(name: str, before: bool, twice: bool) -> None:
    """Only declared names are noted."""
    names = MemberNames(PLAN)
    index, _ = names.locate(name)
    names.note(name, index)
    assert (names.note(name, index), names.may_come_twice(name)) == (before, twice)
    assert (names.is_root(name), names.is_above("e"), names.is_above(name)) == (name == "a", True, False)
