"""Sandboxes are given on only when nothing of the attempt before is in them."""
from __future__ import annotations

import os

import pytest
from mfmesos_executor.skeletons import Skeletons


@pytest.fixture
def skeletons(tmp_path):
    return Skeletons(str(tmp_path), most=2)


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
