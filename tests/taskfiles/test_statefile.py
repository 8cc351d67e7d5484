"""mesos_task_state: no line that could crash makeflow, one line per task, whole lines in one write."""
from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.taskfiles.statefile import StateFile, StateFileError

SAFE = re.compile(r"([1-9]\d*),(finished|failed,\d+|aborted)")


@pytest.fixture
def state(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "state")


def lines(folder: Path) -> list[str]:
    return (folder / "state").read_text().splitlines()


def test_it_is_there_at_once(tmp_path: Path) -> None:
    """makeflow spins until it is."""
    StateFile(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == b""


def test_the_lines(tmp_path: Path, state: StateFile) -> None:
    """Each ending has its line; a failure always has a code."""
    for task_id in range(1, 8):
        state.known(task_id)
    state.finished(1)
    state.failed(2, 3)
    state.failed(3)
    state.failed(4, 0)
    state.failed(5, -9)
    state.failed(6, 10**30)
    state.aborted(7)
    assert lines(tmp_path) == [
        "1,finished", "2,failed,3", "3,failed,1", "4,failed,1", "5,failed,137", "6,failed,999999999", "7,aborted"]


def test_an_unknown_id_is_refused(tmp_path: Path, state: StateFile) -> None:
    """It would crash makeflow."""
    state.known(1)
    for wrong in (0, -1, 2**31, "1", True, None):
        with pytest.raises(StateFileError, match="not the ID of a task"):
            state.known(wrong)  # type: ignore[arg-type]
    for wrong in (2, 0, -1, "1", 1.0, True, None):
        with pytest.raises(StateFileError, match="never submitted"):
            state.finished(wrong)  # type: ignore[arg-type]
    assert lines(tmp_path) == []


def test_one_line_per_task_ever(tmp_path: Path, state: StateFile) -> None:
    """A second one is refused, even if it is the same."""
    state.known(1)
    state.finished(1)
    state.known(1)
    assert state.is_ended(1)
    for again in (state.finished, state.failed, state.aborted):
        with pytest.raises(StateFileError, match="already"):
            again(1)
    assert lines(tmp_path) == ["1,finished"]


def test_a_batch_is_one_write(tmp_path: Path, state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of a batch, nested ones too, are written together."""
    writes: list[bytes] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(data) or real(fd, data))
    for task_id in range(1, 5):
        state.known(task_id)
    with state.batch():
        state.finished(1)
        with state.batch():
            state.finished(2)
        state.failed(3, 2)
    state.finished(4)
    assert writes == [b"1,finished\n2,finished\n3,failed,2\n", b"4,finished\n"]


def test_a_batch_that_is_left_by_an_error_keeps_its_lines(tmp_path: Path, state: StateFile) -> None:
    """What was decided is written."""
    state.known(1)
    with pytest.raises(StateFileError), state.batch():  # noqa: PT012 (the batch is what is tested)
        state.finished(1)
        state.finished(2)
    assert lines(tmp_path) == ["1,finished"]


def test_an_empty_batch_writes_nothing(tmp_path: Path, state: StateFile) -> None:
    """Not even an empty line."""
    with state.batch():
        pass
    assert lines(tmp_path) == []


@pytest.mark.parametrize("how", ["removed", "replaced", "emptied"])
def test_the_file_is_taken_away(tmp_path: Path, state: StateFile, how: str) -> None:
    """Removed, replaced or emptied by the engine: new lines go to the file that has the name now."""
    state.known(1)
    state.known(2)
    state.finished(1)
    if how == "removed":
        (tmp_path / "state").unlink()
    elif how == "replaced":
        (tmp_path / "new").write_text("")
        (tmp_path / "new").rename(tmp_path / "state")
    else:
        os.truncate(tmp_path / "state", 0)
    state.finished(2)
    assert lines(tmp_path) == ["2,finished"]


def test_what_is_there_can_be_adopted(tmp_path: Path) -> None:
    """After a restart: what an earlier scheduler wrote counts, what it half wrote is cut off."""
    before = b"1,finished\n\n0,finished\n2,failed\nabc\n2,failed,3\n2,finished\n4,abo\xff\n"
    (tmp_path / "state").write_bytes(before + b"5,fini")
    state = StateFile(tmp_path / "state")
    assert state.load(adopt=[1, 3]) == {1: "finished", 2: "failed,3"}
    for task_id in (1, 2, 3):
        state.known(task_id)
    with pytest.raises(StateFileError):
        state.finished(1)
    state.finished(3)
    assert (tmp_path / "state").read_bytes() == before + b"3,finished\n"


def test_a_disk_that_was_full_for_a_moment(tmp_path: Path, state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write is completed."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    state.known(12)
    state.finished(12)
    assert lines(tmp_path) == ["12,finished"]


def test_a_disk_that_is_full(tmp_path: Path, state: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written, or only half, is written later, in order; nothing raises."""
    real, room = os.write, [4]

    def write(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        count = real(fd, data[:room[0]])
        room[0] -= count
        return count

    state.known(1)
    state.known(2)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        state.finished(1)
        assert not state.flush()
    state.finished(2)
    assert state.flush()
    assert lines(tmp_path) == ["1,finished", "2,finished"]


def test_nothing_after_close(state: StateFile) -> None:
    """A late result is an error of the caller, not a line."""
    state.known(1)
    state.close()
    state.close()
    with pytest.raises(StateFileError, match="closed"):
        state.finished(1)


def test_many_threads(tmp_path: Path, state: StateFile) -> None:
    """Lines stay whole."""
    for task_id in range(1, 401):
        state.known(task_id)
    threads = [threading.Thread(target=lambda k=k: [*map(state.finished, range(k, 401, 4))]) for k in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lines(tmp_path)) == sorted(f"{i},finished" for i in range(1, 401))


calls = st.tuples(st.sampled_from(["known", "finished", "failed", "aborted"]), st.integers(-2, 6), st.integers())


@given(st.lists(calls))
@settings(max_examples=examples(60))
def test_only_safe_lines_whatever_is_called(
        tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, int, int]]) -> None:
    """Any calls in any order: each line is one that makeflow survives, of an ID that was announced, once."""
    folder = tmp_path_factory.mktemp("state")
    state = StateFile(folder / "state")
    known: set[str] = set()
    for what, task_id, code in calls:
        if what == "known" and task_id > 0:
            known.add(str(task_id))
            state.known(task_id)
        elif what != "known":
            with contextlib.suppress(StateFileError):
                state.failed(task_id, code) if what == "failed" else getattr(state, what)(task_id)
    state.close()
    found = [SAFE.fullmatch(line) for line in lines(folder)]
    assert all(found)
    ids = [match.group(1) for match in found if match]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= known


def test_a_task_that_runs_again_has_one_line(tmp_path: Path, state: StateFile) -> None:
    """Its line is removed, and it may get another one; the lines of others stay."""
    for task_id in (1, 2, 11):
        state.known(task_id)
        state.failed(task_id, 3)
    state.forget([1])
    assert lines(tmp_path) == ["2,failed,3", "11,failed,3"]
    state.finished(1)
    assert lines(tmp_path) == ["2,failed,3", "11,failed,3", "1,finished"]
    with pytest.raises(StateFileError):
        state.finished(2)
