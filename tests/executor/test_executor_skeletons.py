"""Sandboxes are given on only when nothing of the attempt before is in them."""
from __future__ import annotations

import os

import pytest
from mfmesos_executor.files import copy_file
from mfmesos_executor.skeletons import Skeletons
from mfmesos_executor.spares import Spares
from support import need


@pytest.fixture
def skeletons(tmp_path):
    return Skeletons(str(tmp_path), most=2, spares=Spares(str(tmp_path), most=0))


def content(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for folder, folders, files in os.walk(root) for name in folders + files)


def test_what_an_attempt_left_is_gone(skeletons):
    """Files, folders, hidden ones, links, odd names and read-only folders: the next attempt finds bare folders."""
    root = skeletons.take()
    os.makedirs(f"{root}/work/a/b")
    os.makedirs(f"{root}/abs/data")
    for name in ("work/x", "work/.hidden", "work/a/b/y", "tmp/t", "abs/data/z", "command", "out", "err"):
        with open(f"{root}/{name}", "w") as f:
            f.write("secret")
    os.symlink("/etc/passwd", f"{root}/work/link")
    os.chmod(f"{root}/work/a", 0o500)
    skeletons.give_back(root)
    assert skeletons.take() == root
    assert content(root) == ["err", "out", "tmp", "work"]
    assert os.path.getsize(f"{root}/out") == os.path.getsize(f"{root}/err") == 0


@pytest.mark.parametrize("harm", [
    lambda root: os.chmod(f"{root}/work", 0o777),
    lambda root: os.chmod(root, 0o700),
    lambda root: os.rmdir(f"{root}/tmp"),
    lambda root: (os.rmdir(f"{root}/work"), os.symlink("/", f"{root}/work")),
    lambda root: (os.rmdir(f"{root}/work"), open(f"{root}/work", "w").close()),
], ids=["mode of work", "mode of root", "no tmp", "work is a link", "work is a file"])
def test_what_was_tampered_with_is_not_given_on(skeletons, harm):
    """A sandbox whose own folders a task has changed is removed, and the next one is new."""
    root = skeletons.take()
    harm(root)
    skeletons.give_back(root)
    assert not os.path.exists(root)
    fresh = skeletons.take()
    assert fresh != root
    assert content(fresh) == ["tmp", "work"]


def test_stdout_that_is_a_hard_link_goes(skeletons, tmp_path):
    """A task that links its stdout's file elsewhere does not get at the next task's output."""
    root = skeletons.take()
    open(f"{root}/out", "w").close()
    os.link(f"{root}/out", tmp_path / "spy")
    skeletons.give_back(root)
    assert not os.path.exists(f"{root}/out")


def test_no_more_are_kept_than_are_of_use(skeletons):
    """What is over `most` is removed."""
    roots = [skeletons.take() for _ in range(4)]
    for root in roots:
        skeletons.give_back(root)
    assert sum(os.path.exists(root) for root in roots) == 2


@pytest.fixture
def spares(tmp_path):
    (tmp_path / "spare").mkdir()
    return Spares(str(tmp_path / "spare"), most=2)


def test_a_file_of_an_ended_attempt_becomes_an_input_of_the_next(spares, tmp_path):
    """Emptied, whatever its mode was; the input has its own content and mode, and no inode was made or removed."""
    left, source, target = tmp_path / "left", tmp_path / "source", tmp_path / "target"
    left.write_text("a secret that is longer than the next one's input")
    left.chmod(0o444)
    inode = left.stat().st_ino
    source.write_text("input")
    assert spares.keep(str(left))
    assert not left.exists()
    copy_file(str(source), str(target), 0o640, spares.take())
    assert target.read_text() == "input"
    assert (target.stat().st_ino, target.stat().st_mode & 0o777) == (inode, 0o640)
    assert spares.take() is None


def need_root():
    need(os.geteuid() == 0, "a file cannot be given to another user", "run the tests as root")


@pytest.mark.parametrize("make", [
    lambda path: path.mkdir(),
    lambda path: path.symlink_to("/etc/passwd"),
    lambda path: os.mkfifo(path),
    lambda path: (path.write_text("x"), os.link(path, f"{path}-too")),
    lambda path: (path.write_text("x"), os.setxattr(path, "user.mark", b"1")),
    lambda path: (path.write_text("x"), need_root(), os.chown(path, 65534, -1)),
], ids=["folder", "link", "fifo", "second name", "attribute", "another's"])
def test_what_is_more_than_a_plain_file_is_not_kept(spares, tmp_path, make):
    """It stays where it is, as it is, to be removed."""
    path = tmp_path / "left"
    make(path)
    assert not spares.keep(str(path))
    assert os.path.lexists(path)
    assert path.is_dir() or path.is_symlink() or path.is_fifo() or path.read_text() == "x"


def test_no_more_than_a_few_are_kept(spares, tmp_path):
    """The third of at most two is left to be removed."""
    for name in "abc":
        (tmp_path / name).write_text(name)
    assert [spares.keep(str(tmp_path / name)) for name in "abc"] == [True, True, False]
    assert (tmp_path / "c").read_text() == "c"
