"""Sandboxes are given on only when nothing of the attempt before is in them."""
from __future__ import annotations

import os

import pytest
from mfmesos_executor.files import MOST_LISTED, Listing, disk_usage
from mfmesos_executor.skeletons import Skeletons


@pytest.fixture
def skeletons(tmp_path):
    return Skeletons(str(tmp_path), most=2)


def unknown(root):
    return None


def measured(root):
    listing = Listing()
    disk_usage(root, (), listing)
    return listing


known = pytest.mark.parametrize("known", [unknown, measured])
"""Whether what lies there is known from the last measurement of the disk."""


def content(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for folder, folders, files in os.walk(root) for name in folders + files)


@known
def test_what_an_attempt_left_is_gone(skeletons, known):
    """Files, folders, hidden ones, links, odd names and read-only folders: the next attempt finds bare folders."""
    root = skeletons.take()
    os.makedirs(f"{root}/work/a/b")
    os.makedirs(f"{root}/abs/data")
    for name in ("work/x", "work/.hidden", "work/a/b/y", "tmp/t", "abs/data/z", "command", "out", "err"):
        with open(f"{root}/{name}", "w") as f:
            f.write("secret")
    os.symlink("/etc/passwd", f"{root}/work/link")
    os.chmod(f"{root}/work/a", 0o500)
    skeletons.give_back(root, known(root))
    assert skeletons.take() == root
    assert content(root) == ["tmp", "work"]


@known
@pytest.mark.parametrize("harm", [
    lambda root: os.chmod(f"{root}/work", 0o777),
    lambda root: os.chmod(root, 0o700),
    lambda root: os.rmdir(f"{root}/tmp"),
    lambda root: (os.rmdir(f"{root}/work"), os.symlink("/", f"{root}/work")),
    lambda root: (os.rmdir(f"{root}/work"), open(f"{root}/work", "w").close()),
], ids=["mode of work", "mode of root", "no tmp", "work is a link", "work is a file"])
def test_what_was_tampered_with_is_not_given_on(skeletons, harm, known):
    """A sandbox whose own folders a task has changed is removed, and the next one is new."""
    root = skeletons.take()
    harm(root)
    skeletons.give_back(root, known(root))
    assert not os.path.exists(root)
    fresh = skeletons.take()
    assert fresh != root
    assert content(fresh) == ["tmp", "work"]


@known
def test_stdout_that_is_a_hard_link_goes(skeletons, tmp_path, known):
    """A task that links its stdout's file elsewhere does not get at the next task's output."""
    root = skeletons.take()
    open(f"{root}/out", "w").close()
    os.link(f"{root}/out", tmp_path / "spy")
    skeletons.give_back(root, known(root))
    assert not os.path.exists(f"{root}/out")


def test_a_measurement_that_missed_something_is_not_relied_on(skeletons, tmp_path, monkeypatch):
    """If a folder could not be read while the disk was measured, or held too much to remember, it is read again: the
    next attempt finds nothing of it.
    """
    root = skeletons.take()
    for number in range(MOST_LISTED + 1):
        open(f"{root}/work/{number}", "w").close()
    assert not measured(root).whole
    skeletons.give_back(root, measured(root))
    assert skeletons.take() == root
    assert content(root) == ["tmp", "work"]

    open(f"{root}/tmp/secret", "w").close()
    read = os.scandir

    def no_descriptor_left(path):
        if str(path).endswith("/tmp"):
            raise OSError(24, "Too many open files")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", no_descriptor_left)
        listing = measured(root)
    skeletons.give_back(root, listing)
    assert skeletons.take() == root
    assert content(root) == ["tmp", "work"]


def test_no_more_are_kept_than_are_of_use(skeletons):
    """What is over `most` is removed."""
    roots = [skeletons.take() for _ in range(4)]
    for root in roots:
        skeletons.give_back(root)
    assert sum(os.path.exists(root) for root in roots) == 2
