"""Linked folders that an attempt left as they were serve the next attempt; all others do not."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

import pytest
from executor_fakes import FakeStaging, Running, run
from mfmesos_executor.files import link_tree
from mfmesos_executor.linked_trees import LinkedTree
from mfmesos_executor.placing import LEAST_MEMBERS, Placer
from mfmesos_executor.shared import Links, Shared

from mfmesos.shared import wire

TIME_NS = 1_600_000_000_123456789
SHOW = "find tree ! -type l -printf '%P %y %m %s %T@\\n' | sort; readlink tree/link; " \
       "cat $(find tree -type f | sort) | sha256sum"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder as the user has it."""
    folder = tmp_path / "source"
    for number in range(LEAST_MEMBERS + 4):
        file = folder / f"part.{number % 2}" / f"file.{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"file {number}\n")
    (folder / "link").symlink_to("part.0/file.0")
    return folder


def item(staging: FakeStaging, source: Path, shared: bool = True) -> wire.Input:
    found = staging.add_dir("tree", source, shared=shared)
    found.mtime_ns = TIME_NS
    return found


def trees(executor: Running) -> list[int]:
    """The folders that wait for an attempt."""
    return sorted(path.stat().st_ino for path in executor.folder.glob(".mfmesos/*/cache/*.*") if path.is_dir())


def ended(staging: FakeStaging, attempt: str, command: str, *inputs: wire.Input, **kw: object) -> wire.Result:
    staging.run(run(attempt, command, list(inputs), **kw))
    (result,) = staging.wait(attempt)
    return result


def test_the_next_attempt_gets_the_same_folder(executor: Running, staging: FakeStaging, source: Path) -> None:
    """One rename in place of as many links as there are files; and it looks as the first time."""
    results = [ended(staging, f"{n}.1", f"stat -c %i tree; {SHOW}", item(staging, source)) for n in range(3)]
    assert {r.outcome for r in results} == {"finished"}
    assert len({r.stdout for r in results}) == 1
    assert f"{TIME_NS // 10**9}.123456789" in results[0].stdout
    assert len(trees(executor)) == 1


@pytest.mark.parametrize("command", [
    "touch tree/part.0/new", "rm tree/part.1/file.3", "mv tree/part.0/file.0 tree/part.0/file.x", "rm -r tree",
    "rm tree/part.0/file.0; echo file 0 > tree/part.0/file.0", "ln -sf part.0/file.2 tree/link",
    "mkdir tree/part.0/new", "chmod 700 tree/part.0", "touch -d @5 tree/part.1", "mv tree x; cp -a x tree",
    "rm tree/part.0/file.0; touch -r tree/part.1 tree/part.0",
    "cp -a tree/part.0 x; rm -r tree/part.0; mv x tree/part.0",
    "chmod 755 tree", "rm tree/part.0/file.0; ln tree/part.0/file.2 tree/part.0/file.0"])
def test_a_folder_that_was_changed(executor: Running, staging: FakeStaging, source: Path, command: str) -> None:
    """The next attempt gets another one, with all that belongs there and nothing else."""
    tree = item(staging, source)
    before = ended(staging, "1.1", SHOW, tree)
    assert len(trees(executor)) == 1
    assert ended(staging, "2.1", command, tree).exit_code == 0
    assert trees(executor) == []
    assert ended(staging, "3.1", SHOW, tree).stdout == before.stdout
    assert len(staging.gets) == 1


def test_a_folder_of_which_a_file_was_changed(executor: Running, staging: FakeStaging, source: Path) -> None:
    """Neither it nor the cached file is used again."""
    tree = item(staging, source)
    before = ended(staging, "1.1", SHOW, tree)
    assert ended(staging, "2.1", "chmod 600 tree/part.0/file.0", tree).wrote_input == "tree"
    assert ended(staging, "3.1", SHOW, tree).stdout == before.stdout
    assert len(staging.gets) == 2


def test_a_folder_with_more_in_it(executor: Running, staging: FakeStaging, source: Path) -> None:
    """Neither with another input in it, nor with an output, whether or not that was an input."""
    tree, more = item(staging, source), staging.add("tree/part.0/more", b"more")
    assert ended(staging, "1.1", "cat tree/part.0/more", tree, more).stdout == "more"
    for number, name in enumerate(("tree/new", "tree/part.0/new", "tree/part.0/file.0")):
        result = ended(staging, f"2.{number}", f"echo changed > {name}", tree, outputs=[name])
        assert result.outcome == "finished"
        assert trees(executor) == []
    assert "changed" not in ended(staging, "3.1", "cat tree/*/*", tree).stdout


def test_attempts_beside_each_other(executor: Running, staging: FakeStaging, source: Path, tmp_path: Path) -> None:
    """Each has a folder of its own; both wait for the next ones."""
    tree = item(staging, source)
    met = f"touch {tmp_path}/$N; until [ -e {tmp_path}/1 ] && [ -e {tmp_path}/2 ]; do sleep 0.05; done; {SHOW}"
    staging.run(*(run(f"{n}.1", f"N={n}; {met}", [tree]) for n in (1, 2)))
    first, second = staging.wait("1.1", "2.1")
    assert first.stdout == second.stdout
    assert len(trees(executor)) == 2


def test_with_the_last_attempt_all_are_gone(executor: Running, staging: FakeStaging, source: Path) -> None:
    """It gets the cached folder itself, with which nobody shares a file then."""
    ended(staging, "1.1", SHOW, item(staging, source))
    last = ended(staging, "2.1", "stat -c %h tree/part.0/file.0", item(staging, source, shared=False))
    assert last.stdout == "1\n"
    assert trees(executor) == []


class Somebody:
    """An attempt."""

    def processes(self) -> set[int]:
        return set()

    def input_changed(self, name: str) -> None:
        raise AssertionError(name)


def test_nothing_is_kept_beyond_the_cached_folder(tmp_path: Path, source: Path) -> None:
    """What is recycled after the folder has left the cache, or of an attempt with processes left, is not kept."""
    links = Links(str(tmp_path), possible=lambda folder: True)
    placer, one = Placer(links), wire.Input("tree", "d", 1 << 20, kind="dir")
    for usable, drop in ((True, False), (False, False), (True, True)):
        who, shared, target = Somebody(), Shared(str(source)), str(tmp_path / "target")
        assert placer.link(shared, one, target, who)
        assert placer.unlink(shared, who)
        if drop:
            placer.drop_spares(shared)
        placer.recycle(who, usable)
        placer.recycle(who, usable)
        kept = usable and not drop
        assert os.path.exists(target) != kept
        assert len(shared.spares or ()) == kept
        placer.drop_spares(shared)
        assert sorted(os.listdir(tmp_path)) == (["source"] if kept else ["source", "target"])
        if not kept:
            os.rename(target, tmp_path / "source" / "..moved")
            os.rename(tmp_path / "source" / "..moved", tmp_path.parent / f"{tmp_path.name}-{usable}-{drop}")


@pytest.mark.parametrize("change", [
    lambda tree: (tree / "part.0" / "file.0").unlink(), lambda tree: (tree / "x").mkdir(),
    lambda tree: (tree / "part.0").chmod(0o700), lambda tree: os.utime(tree / "part.0", (5, 5)),
    lambda tree: os.rename(tree, tree.with_name("away"))])
def test_untouched(tmp_path: Path, source: Path, change: Callable[[Path], object]) -> None:
    """A move is no change, everything else is."""
    link_tree(str(source), str(tmp_path / "tree"))
    tree = LinkedTree(str(tmp_path / "tree"))
    assert tree.is_untouched()
    tree.move(str(tmp_path / "moved"), TIME_NS)
    assert tree.is_untouched()
    assert (tmp_path / "moved").stat().st_mtime_ns == TIME_NS
    change(tmp_path / "moved")
    assert not tree.is_untouched()
