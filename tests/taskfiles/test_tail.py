"""Following a file: late, growing, emptied, replaced; notified by inotify or found by looking."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import wait_until

from mfmesos.taskfiles.tail import PIECE, FileReader, FileTail
from mfmesos.taskfiles.watch import DirectoryWatch


class Got:
    """What a tail has delivered: one bytes object for each time that it started over."""

    def __init__(self) -> None:
        self.parts = [b""]
        self.largest = 0
        self.at = 0.0
        self.threads: set[str] = set()

    def __call__(self, data: bytes, reset: bool) -> None:
        self.at = time.perf_counter()
        self.threads.add(threading.current_thread().name)
        if reset:
            assert data == b""
            self.parts.append(b"")
        self.largest = max(self.largest, len(data))
        self.parts[-1] += data


class BrokenObserver:
    """As watchdog when a limit of inotify is reached."""

    def schedule(self, *args: object, **kw: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


class DeafObserver(BrokenObserver):
    """Like watchdog on a network file system: it starts without an error and never notifies."""

    def schedule(self, *args: object, **kw: object) -> None: ...


@pytest.fixture
def got() -> Got:
    return Got()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mesos_task_info"


@pytest.fixture
def tail(path: Path, got: Got) -> Iterator[FileTail]:
    tail = FileTail(path, got, poll_s=0.2)
    yield tail
    tail.stop()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as f:
        f.write(data)


def expect(got: Got, *parts: bytes) -> None:
    wait_until(lambda: got.parts == list(parts), 10, f"{parts}")


def test_it_was_there_before(path: Path, got: Got, tail: FileTail) -> None:
    """What is in the file at the start is given, then what is appended, on a thread of the tail's own."""
    append(path, b"one\n")
    tail.start()
    expect(got, b"one\n")
    append(path, b"two\n")
    expect(got, b"one\ntwo\n")
    assert threading.current_thread().name not in got.threads


def test_it_appears_late(path: Path, got: Got, tail: FileTail) -> None:
    """The file need not be there at the start; its appearance is no reset."""
    tail.start()
    append(path, b"one\n")
    expect(got, b"one\n")


def test_it_is_emptied(path: Path, got: Got, tail: FileTail) -> None:
    """A file that shrinks is read from its start."""
    append(path, b"one\ntwo\n")
    tail.start()
    expect(got, b"one\ntwo\n")
    path.write_bytes(b"new\n")
    expect(got, b"one\ntwo\n", b"new\n")


def test_it_is_written_anew_with_more(path: Path, got: Got) -> None:
    """Also when it is longer than before, by the time it is looked at."""
    reader = FileReader(path, got)
    append(path, b"one\n")
    reader.look()
    path.write_bytes(b"other, and longer\n")
    reader.look()
    reader.look()
    assert got.parts == [b"one\n", b"other, and longer\n"]
    reader.close()


def test_it_is_replaced(path: Path, got: Got, tail: FileTail) -> None:
    """A new file under the name, by rename or by removing and writing; even with the same beginning."""
    append(path, b"one\n")
    tail.start()
    expect(got, b"one\n")
    new = path.with_name("new")
    new.write_bytes(b"one\ntwo\n")
    new.rename(path)
    expect(got, b"one\n", b"one\ntwo\n")
    path.unlink()
    path.write_bytes(b"three\n")
    expect(got, b"one\n", b"one\ntwo\n", b"three\n")


def test_what_was_appended_before_it_was_replaced(path: Path, got: Got) -> None:
    """The rest of the old file is given before the new one."""
    reader = FileReader(path, got)
    append(path, b"one\n")
    reader.look()
    append(path, b"two\n")
    path.with_name("new").write_bytes(b"three\n")
    path.with_name("new").rename(path)
    reader.look()
    assert got.parts == [b"one\ntwo\n", b"three\n"]
    reader.close()


def test_it_is_removed(path: Path, got: Got, tail: FileTail) -> None:
    """Nothing to tell, until there is one again."""
    append(path, b"one\n")
    tail.start()
    expect(got, b"one\n")
    path.unlink()
    append(path, b"two\n")
    expect(got, b"one\n", b"two\n")


def test_the_offset(path: Path, got: Got) -> None:
    """Bytes before it are not given; a file that is shorter is read from its beginning."""
    append(path, b"one\ntwo\n")
    reader = FileReader(path, got, offset=4)
    reader.look()
    assert got.parts == [b"two\n"]
    reader.close()
    short = Got()
    reader = FileReader(path, short, offset=100)
    reader.look()
    assert short.parts == [b"", b"one\ntwo\n"]
    reader.close()


def test_bounded_pieces(path: Path, got: Got) -> None:
    """A large file comes in pieces."""
    path.write_bytes(b"x" * (3 * PIECE + 5))
    reader = FileReader(path, got)
    reader.look()
    assert (len(got.parts[0]), got.largest) == (3 * PIECE + 5, PIECE)
    reader.close()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_something_else_under_the_name(path: Path, got: Got, make: object) -> None:
    """A folder or a pipe is no file: nothing is given, nothing hangs; a file that comes instead is read."""
    make(path)  # type: ignore[operator]
    reader = FileReader(path, got)
    reader.look()
    reader.look()
    assert got.parts == [b""]
    path.rmdir() if path.is_dir() else path.unlink()
    append(path, b"one\n")
    reader.look()
    assert got.parts == [b"one\n"]
    reader.close()


def test_latency(path: Path, got: Got) -> None:
    """An append is noticed within a few ms, also while files are moved out of the folder; the poll has no part in
    it."""
    tail = FileTail(path, got, poll_s=60)
    tail.start()
    append(path, b"0")
    expect(got, b"0")
    (path.parent / "sub").mkdir()
    delays = []
    for i in range(1, 31):
        other = path.parent / "other"
        other.touch()
        other.rename(path.parent / "sub" / "other")
        began = time.perf_counter()
        append(path, b"x")
        wait_until(lambda i=i: len(got.parts[-1]) == i + 1, 10, "the append")
        delays.append(got.at - began)
    tail.stop()
    assert sorted(delays)[15] < 0.02


def test_many_changes_are_looked_for_and_not_told(path: Path, got: Got) -> None:
    """During such changes watchdog is off and costs nothing; nothing is missed, and afterwards it is on again."""
    began = threading.active_count()
    tail = FileTail(path, got, poll_s=60)
    tail.start()
    append(path, b"0")
    wait_until(lambda: not tail.polling and got.parts == [b"0"], 10, "inotify")
    for turn in range(3):
        before = len(got.parts[-1])
        while not tail.polling:
            append(path, b"x")
            time.sleep(0.001)  # so that not all of them are one change
        append(path, b"the last one")
        wait_until(lambda: got.parts[-1].endswith(b"the last one"), 10, "the last one")
        assert len(got.parts[-1]) - before > 12
        wait_until(lambda: not tail.polling, 10, f"inotify again, for the {turn + 1}. time")
        append(path, b"!")
        wait_until(lambda: got.parts[-1].endswith(b"!"), 10, "what comes when it is calm")
    assert got.parts[-1].count(b"the last one") == 3
    assert threading.active_count() <= began + 1 + 2 * 3, "threads of watchdog are left"
    tail.stop()


def test_no_inotify_to_be_had(path: Path, got: Got) -> None:
    """The user reads it once, with the cure; the file is followed all the same."""
    said: list[str] = []
    tail = FileTail(path, got, say=said.append, make_observer=BrokenObserver)
    tail.start()
    for i in range(3):
        append(path, b"x")
        expect(got, b"x" * (i + 1))
    assert tail.polling
    tail.stop()
    (line,) = said
    assert "max_user_watches" in line


def test_a_file_system_that_tells_nothing(path: Path, got: Got) -> None:
    """The poll finds the changes, and goes faster once it is seen to be the only means; the user reads it once."""
    said: list[str] = []
    tail = FileTail(path, got, poll_s=0.3, say=said.append, make_observer=DeafObserver)
    tail.start()
    for i in range(6):
        append(path, b"x")
        expect(got, b"x" * (i + 1))
    assert tail.polling
    tail.stop()
    assert len(said) == 1


def test_the_folder_appears_late_and_goes(tmp_path: Path, got: Got) -> None:
    """A folder that is made later, removed and made again."""
    folder = tmp_path / "later"
    tail = FileTail(folder / "f", got, poll_s=0.1)
    tail.start()
    folder.mkdir()
    append(folder / "f", b"one\n")
    expect(got, b"one\n")
    (folder / "f").unlink()
    folder.rmdir()
    folder.mkdir()
    append(folder / "f", b"two\n")
    expect(got, b"one\n", b"two\n")
    wait_until(lambda: not tail.polling, 10, "inotify again")
    tail.stop()


def test_a_callback_that_raises(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and later bytes still come."""
    seen: list[bytes] = []

    def on_bytes(data: bytes, reset: bool) -> None:
        seen.append(data)
        if len(seen) == 1:
            raise RuntimeError("a bug of ours")

    append(path, b"one\n")
    tail = FileTail(path, on_bytes, poll_s=0.1)
    tail.start()
    wait_until(lambda: seen, 10, "the first bytes")
    append(path, b"two\n")
    wait_until(lambda: seen == [b"one\n", b"two\n"], 10, "the next bytes")
    tail.stop()
    assert "a bug of ours" in caplog.text


def test_the_last_look(path: Path, got: Got) -> None:
    """Stopping with a last look loses nothing that was written before."""
    tail = FileTail(path, got, poll_s=60, make_observer=DeafObserver)
    tail.start()
    append(path, b"one\n")
    tail.stop(last_look=True)
    assert got.parts == [b"one\n"]


def test_nothing_after_stop(path: Path, got: Got, tail: FileTail) -> None:
    """No call, no thread; stopping twice, or without a start, or from within a call, is fine."""
    before = threading.active_count()
    append(path, b"one\n")
    tail.start()
    expect(got, b"one\n")
    tail.stop()
    tail.stop()
    append(path, b"two\n")
    assert got.parts == [b"one\n"]
    wait_until(lambda: threading.active_count() <= before, 10, "the threads to end")
    FileTail(path, got).stop()
    done = threading.Event()
    inner = FileTail(path, lambda data, reset: (inner.stop(), done.set()))  # type: ignore[func-returns-value]
    inner.start()
    assert done.wait(10)
    wait_until(lambda: threading.active_count() <= before, 10, "the threads to end")


def test_several_names_with_one_watch(tmp_path: Path) -> None:
    """Each name is reported, others in the folder are not."""
    seen: list[str] = []
    watch = DirectoryWatch(tmp_path, ["mesos_task_info", "mesos_done"], seen.append, poll_s=60)
    watch.start()
    wait_until(lambda: sorted(set(seen)) == ["mesos_done", "mesos_task_info"], 10, "the first look")
    wait_until(lambda: not watch.polling, 10, "inotify")
    time_was = len(seen)
    (tmp_path / "other").write_text("x")
    (tmp_path / "mesos_done").write_text("finished")
    wait_until(lambda: "mesos_done" in seen[time_was:], 10, "mesos_done")
    watch.poke("nonsense")
    watch.stop()
    assert set(seen) == {"mesos_done", "mesos_task_info"}
