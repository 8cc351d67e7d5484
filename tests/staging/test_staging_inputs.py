"""Inputs: found, hashed once, refused in one plain line, and noticed when they change."""
from __future__ import annotations

import errno
import hashlib
import os
import socket
import tarfile
import threading
import time
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import StagedInput, Task
from mfmesos.shared import tarmarks
from mfmesos.staging import inputs as module
from mfmesos.staging.input_errors import InputChanged, InputError, MissingInputs
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.trees import TreeChanged, TreeError, tar_stream, walk


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def old(path: Path, content: bytes = b"x") -> Path:
    """A file that was last changed some time ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1e9, 1e9))
    return path


def stage(index: InputIndex, *names: str) -> tuple[StagedInput, ...]:
    return index.stage(Task(1, "x", names))


class Hashes:
    """Counts how often a file is hashed."""

    def __init__(self, index: InputIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        real = index._hash

        def counted(path: str) -> object:
            self.paths.append(path)
            return real(path)

        monkeypatch.setattr(index, "_hash", counted)


def test_files(work: Path) -> None:
    """Name, digest, size and mode; relative, from a folder above, absolute; executable stays known."""
    old(work / "a", b"1").chmod(0o755)
    old(work.parent / "up", b"22")
    far = old(work.parent / "far" / "f", b"333")
    found = stage(InputIndex(work), "a", "../up", str(far))
    assert [(i.name, i.size, i.kind) for i in found] == [("a", 1, "file"), ("../up", 2, "file"), (str(far), 3, "file")]
    assert found[0].mode == 0o755
    assert found[2].digest == hashlib.sha256(b"333").hexdigest()


def test_names_are_normalised_and_once(work: Path) -> None:
    """A repeated input, with and without detours or the folder's own path, is one."""
    old(work / "sub" / "a")
    found = stage(InputIndex(work), "sub/a", "./sub//a", f"{work}/sub/a", "sub/../sub/a")
    assert [i.name for i in found] == ["sub/a"]


def test_missing_are_all_named(work: Path) -> None:
    """In one line, with where they were looked for; a dangling link and a name below a file are missing, too."""
    old(work / "a")
    (work / "dangling").symlink_to("nowhere")
    with pytest.raises(MissingInputs) as e:
        stage(InputIndex(work), "a", "b", "dangling", "a/x")
    assert e.value.names == ("b", "dangling", "a/x")
    assert str(work) in str(e.value)
    assert "\n" not in str(e.value)


def test_special_files_are_refused(work: Path) -> None:
    """A pipe or a socket, by itself or in a folder, is refused without being opened."""
    os.mkfifo(work / "pipe")
    (work / "d").mkdir()
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(work / "d")
        s.bind("sock")
        os.chdir(here)
    for name in ("pipe", "d", "/dev/null"):
        with pytest.raises(InputError, match="pipe or socket"):
            stage(InputIndex(work), name)


def test_unreadable(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission denied is reported with the path and the cure (root may read anything, so it is imitated)."""
    old(work / "a")

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "open", denied)
    with pytest.raises(InputError, match=r"input a cannot be read: Permission denied .*readable"):
        stage(InputIndex(work), "a")


def test_the_folder_itself_is_no_input(work: Path) -> None:
    """Neither it nor a folder above: it changes all the time."""
    for name in (".", "..", str(work), "/"):
        with pytest.raises(InputError, match="the workflow's folder itself"):
            stage(InputIndex(work), name)


def test_hashed_once(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 tasks with one input: one hash, and well under a millisecond each; after a change, once more."""
    index = InputIndex(work)
    hashes = Hashes(index, monkeypatch)
    path = old(work / "a", b"1")
    start = time.process_time()
    first = {stage(index, "a") for _ in range(10_000)}
    assert time.process_time() - start < 5
    assert len(hashes.paths) == 1
    old(path, b"2")
    os.utime(path, (1.1e9, 1.1e9))
    assert len(first) == 1
    assert stage(index, "a") not in first
    assert len(hashes.paths) == 2


def test_fresh_files_are_not_trusted(work: Path) -> None:
    """A file changed again within the same time stamp is noticed, because so young a digest is not kept."""
    index = InputIndex(work)
    (work / "a").write_bytes(b"1")
    stamp = os.stat(work / "a").st_mtime_ns
    before = stage(index, "a")
    (work / "a").write_bytes(b"2")
    os.utime(work / "a", ns=(stamp, stamp))
    assert stage(index, "a") != before


def test_dates_in_the_future(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file from a machine whose clock is ahead is hashed once all the same."""
    index = InputIndex(work)
    hashes = Hashes(index, monkeypatch)
    os.utime(old(work / "a"), (4e9, 4e9))
    assert len({stage(index, "a") for _ in range(5)}) == 1
    assert len(hashes.paths) == 1


def test_memory_is_bounded(work: Path) -> None:
    """What is not used any more is forgotten; it is found again all the same."""
    index = InputIndex(work, most=10)
    staged = [stage(index, str(old(work / f"f{i}", b"%d" % i)))[0] for i in range(50)]
    assert len(index._entries) == 10
    assert all(index.verify(s) == str(work / s.name) for s in staged)


def test_large_file_is_hashed_by_one_thread(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others that want the same digest wait for it."""
    index = InputIndex(work)
    hashes = Hashes(index, monkeypatch)
    old(work / "big", bytes(5 << 20))
    threads = [threading.Thread(target=stage, args=(index, "big")) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert len(hashes.paths) == 1


def test_changed_inputs_are_noticed(work: Path) -> None:
    """By content, by disappearance, by kind, in a folder too."""
    index = InputIndex(work)
    old(work / "a", b"1")
    old(work / "b", b"1")
    old(work / "d" / "x", b"1")
    old(work / "c", b"1")
    a, b, c, d = stage(index, "a", "b", "c", "d")
    assert index.verify(a) == str(work / "a")
    (work / "a").write_bytes(b"2")
    (work / "b").unlink()
    (work / "c").unlink()
    (work / "c").mkdir()
    (work / "d" / "x").write_bytes(b"2")
    for staged in (a, b, c, d):
        with pytest.raises(InputChanged, match=f"input {staged.name} "):
            index.verify(staged)


def test_file_that_never_rests(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is written to while it is read is refused in plain words after some tries."""
    path = old(work / "log", b"1")
    index = InputIndex(work)
    real = hashlib.sha256

    def appended() -> object:
        with path.open("ab") as f:
            f.write(b"more")
        return real()

    monkeypatch.setattr(module.hashlib, "sha256", appended)
    with pytest.raises(InputError, match="is changing while it is read"):
        stage(index, "log")


# --- folders ------------------------------------------------------------------------------------
def make_tree(folder: Path) -> Path:
    old(folder / "b" / "run", b"#!").chmod(0o755)
    old(folder / "a.txt", b"text")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("b/run")
    (folder / "b" / "up").symlink_to("../a.txt")
    return folder


def untar(folder: str) -> dict[str, tuple[bytes, int, bytes, str]]:
    with tarfile.open(fileobj=BytesIO(b"".join(tar_stream(walk(folder))))) as tar:
        return {m.name: (m.type, m.mode, tar.extractfile(m).read() if m.isreg() else b"", m.linkname)  # type: ignore[union-attr]
                for m in tar}


def test_folder_as_a_stream(work: Path) -> None:
    """Sorted, with modes; links that stay inside are links."""
    found = untar(str(make_tree(work / "d")))
    assert list(found) == ["a.txt", "b", "b/run", "b/up", "empty", "link"]
    assert found["b/run"][1:3] == (0o755, b"#!")
    assert found["link"] == (tarfile.SYMTYPE, 0o777, b"", "b/run")
    assert found["b/up"][3] == "../a.txt"


def test_links_out_of_a_folder_are_followed(work: Path) -> None:
    """They are the user's own: to a file, to a folder, absolute; those that lead nowhere are left out."""
    old(work / "outside" / "f", b"out")
    (work / "outside" / "rel").symlink_to("f")
    make_tree(work / "d")
    (work / "d" / "file").symlink_to("../outside/f")
    (work / "d" / "folder").symlink_to(work / "outside")
    (work / "d" / "abs").symlink_to(work / "d" / "a.txt")
    (work / "d" / "nowhere").symlink_to("/nonexistent/x")
    found = untar(str(work / "d"))
    assert found["file"][0] == tarfile.REGTYPE
    assert found["folder/f"][2] == b"out"
    assert found["folder/rel"][3] == "f"
    assert found["abs"][2] == b"text"
    assert "nowhere" not in found


def test_circles_are_refused(work: Path) -> None:
    """A link to a folder above it, by an absolute name or by way of the outside."""
    (work / "d" / "e").mkdir(parents=True)
    (work / "d" / "e" / "round").symlink_to(work / "d")
    with pytest.raises(TreeError, match="in a loop"):
        walk(str(work / "d"))
    with pytest.raises(InputError, match="in a loop"):
        stage(InputIndex(work), "d")


def made_by_a_task(work: Path) -> InputIndex:
    """An index that knows: the folder d came from a task, its links too."""
    index = InputIndex(work)
    index.links.add(["d"])
    return InputIndex(work)  # as a later run reads it


def sent(index: InputIndex, name: str) -> dict[str, tuple[str, str]]:
    staged = stage(index, name)[0]
    return {row.name: (row.kind, row.target) for row in index.rows(staged)}


def test_links_of_a_task_stay_links(work: Path) -> None:
    """To a program, to nowhere, in circles: none is followed out of the workflow's folder, in a later run neither."""
    old(work / "secret", b"s").rename(work.parent / "secret")
    make_tree(work / "d")
    old(work / "beside", b"b")
    links = {"python": "/usr/bin/env", "lock": "/nonexistent/x", "self": ".", "up": "..", "gone": "y",
             "spy": str(work.parent / "secret"), "spy2": "../../secret", "beside": "../beside",
             "own": "../.mfmesos/links.jsonl"}
    for name, target in links.items():
        (work / "d" / name).symlink_to(target)
    index = made_by_a_task(work)
    found = sent(index, "d")
    assert {name: one[1] for name, one in found.items() if one[0] == "link"} == {
        "link": "b/run", "b/up": "../a.txt", "python": "/usr/bin/env", "lock": "/nonexistent/x", "self": ".",
        "gone": "y", "spy": str(work.parent / "secret")}
    assert found["beside"][0] == "file"
    assert not {"spy2", "up", "own"} & set(found)
    # In a folder around it, those of the task's folder alone.
    (work / "e").mkdir()
    (work / "e" / "mine").symlink_to(work.parent / "secret")
    (work / "e" / "d").symlink_to("../d")
    found = sent(index, "e")
    assert found["mine"][0] == "file"
    assert found["d/spy"][0] == "link"


def test_inputs_by_way_of_a_tasks_link(work: Path) -> None:
    """A name that leads out by a link which a task has made is refused; a program, and what lies inside, is not."""
    old(work / "x", b"s").rename(work.parent / "secret")
    make_tree(work / "d")
    (work / "d" / "spy").symlink_to(work.parent / "secret")
    (work / "d" / "out").symlink_to(work.parent)
    (work / "d" / "own").symlink_to("../.mfmesos")
    (work / "d" / "python").symlink_to("/usr/bin/env")
    (work / "mine").symlink_to(work.parent / "secret")
    index = made_by_a_task(work)
    for name in ("d/spy", "d/out/secret", "d/own/links.jsonl", "d/b/../spy"):
        with pytest.raises(InputError, match="symbolic link that a task has made"):
            stage(index, name)
    assert [one.name for one in stage(index, "d/link", "d/python", "mine", "d/b/run")] == [
        "d/link", "d/python", "mine", "d/b/run"]


def test_links_of_tasks_are_not_forgotten(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, when no descriptor is left, or after a crash within a line: no link is followed since the list of
    such folders could not be read, or was cut."""
    made_by_a_task(work)
    with open(work / ".mfmesos" / "links.jsonl", "a") as f:
        f.write('"hal')
    InputIndex(work).links.add(["e"])
    index = InputIndex(work)
    assert [index.links.covers(f"{work}/{name}/x") for name in ("d", "e", "f")] == [True, True, False]
    index = InputIndex(work)
    make_tree(work / "f")
    with monkeypatch.context() as patched:
        def short(*_: object, **__: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")
        patched.setattr(Path, "read_text", short)
        with pytest.raises(OSError, match="Too many"):
            stage(index, "f")
    assert index.links.some()


def test_times_of_inputs(work: Path) -> None:
    """Each has its own, whatever its content; those in a folder are in the stream."""
    old(work / "a", b"same")
    os.utime(work / "a", ns=(5, 10**18 + 7))
    make_tree(work / "d")
    os.utime(work / "d" / "a.txt", ns=(5, 10**18 + 9))
    index = InputIndex(work)
    assert [one.mtime_ns for one in stage(index, "a", "d")] == [10**18 + 7, (work / "d").stat().st_mtime_ns]
    with tarfile.open(fileobj=BytesIO(b"".join(tar_stream(walk(str(work / "d")))))) as tar:
        one = tar.getmember("a.txt")
    assert tarmarks.tar_mtime_ns(int(one.mtime), one.uname) == 10**18 + 9


def test_a_change_within_the_grain_of_times(work: Path) -> None:
    """Where times are whole seconds, a file that was just written is not known by size and time: neither now nor in
    the next run."""
    index = InputIndex(work)
    found = []
    for content in (b"one", b"two"):
        (work / "a").write_bytes(content)
        now = time.time_ns()
        os.utime(work / "a", ns=(now, now - now % 10**9))
        with pytest.MonkeyPatch.context() as patched:  # the time of the last change is cut, too
            patched.setattr(module, "_stamp", lambda found: (found.st_size, found.st_mtime_ns, 0, 0, 0))
            found += stage(index, "a")
    assert found[0].digest != found[1].digest
    assert not found[0].stamp
    assert stage(index, str(old(work / "b")))[0].stamp


def test_another_file_of_the_same_time(work: Path) -> None:
    """What a task has made keeps its time: with its size that does not show a change, but it is noticed."""
    index = InputIndex(work)
    old(work / "a", b"one")
    before = stage(index, "a")[0]
    (work / "a").write_bytes(b"two")
    os.utime(work / "a", ns=(5, before.mtime_ns))
    assert stage(index, "a")[0].digest != before.digest


def test_digest_of_a_folder(work: Path) -> None:
    """Depends on names, modes, contents and links, and on nothing else."""
    def digest(folder: Path) -> str:
        return stage(InputIndex(work), folder.name)[0].digest

    make_tree(work / "one")
    make_tree(work / "two")
    os.utime(work / "two" / "a.txt", (5, 5))
    assert digest(work / "one") == digest(work / "two")
    seen = {digest(work / "two")}
    (work / "two" / "a.txt").write_bytes(b"TEXT")
    seen.add(digest(work / "two"))
    (work / "two" / "a.txt").chmod(0o600)
    seen.add(digest(work / "two"))
    (work / "two" / "a.txt").rename(work / "two" / "A.txt")
    seen.add(digest(work / "two"))
    (work / "two" / "link").unlink()
    seen.add(digest(work / "two"))
    (work / "two" / "link").symlink_to("empty")
    seen.add(digest(work / "two"))
    assert len(seen) == 6


def test_shared_folder_is_looked_through_seldom(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of tasks share it: once for a while, at once when it was replaced, always when it is fetched."""
    now = [0.0]
    index = InputIndex(work, clock=lambda: now[0])
    walks: list[str] = []
    real = module.walk
    monkeypatch.setattr(module, "walk", lambda path: walks.append(path) or real(path))
    make_tree(work / "d")
    staged = {stage(index, "d") for _ in range(1000)}.pop()[0]
    assert len(walks) == 1
    now[0] = 10.0
    stage(index, "d")
    assert len(walks) == 2
    index.verify(staged)
    assert len(walks) == 3
    (work / "d").rename(work / "gone")
    make_tree(work / "d")
    old(work / "d" / "new")
    assert stage(index, "d")[0].digest != staged.digest


def test_change_while_it_is_sent(work: Path) -> None:
    """A file that is not as it was looked at ends the stream before its end mark."""
    for i in range(3):
        old(work / "d" / f"f{i}", bytes(2 << 20))
    stream = tar_stream(walk(str(work / "d")))
    next(stream)
    (work / "d" / "f2").write_bytes(b"other")
    with pytest.raises(TreeChanged):
        list(stream)


FILE_NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=40)


@given(st.dictionaries(FILE_NAMES.filter(lambda n: n not in (".", "..")), st.binary(max_size=2000), max_size=6))
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_names_survive(work: Path, files: dict[str, bytes]) -> None:
    """Whatever files are called, the stream holds them as they are."""
    folder = work / str(time.monotonic_ns())
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert {n: c for n, (_, _, c, _) in untar(str(folder)).items()} == files


def test_outputs_problem(work: Path) -> None:
    """Empty when all is well, else one line."""
    index = InputIndex(work)
    assert index.outputs_problem(Task(1, "x", (), ("o", f"{work}/p", "d/"))) == ""
    assert "outside" in index.outputs_problem(Task(1, "x", (), ("o", "../p")))
