"""What is known of a run that goes on without a terminal."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from mfmesos.store import detached_run
from mfmesos.store.detached_run import FILE, LOG


def test_its_log_is_locked_while_it_lives(tmp_path: Path) -> None:
    """Nobody else may begin; the lock ends with the last copy of the descriptor. The log is private, and begins empty.
    """
    assert not detached_run.is_alive(tmp_path)
    (tmp_path / LOG).write_text("of an earlier run")
    fd = detached_run.open_log(tmp_path)
    copy = os.dup(fd)
    os.close(fd)
    assert detached_run.is_alive(tmp_path)
    with pytest.raises(BlockingIOError):
        detached_run.open_log(tmp_path)
    assert (tmp_path / LOG).read_text() == ""
    os.close(copy)
    assert not detached_run.is_alive(tmp_path)
    (tmp_path / LOG).unlink()
    os.close(detached_run.open_log(tmp_path))
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600


def test_its_process_and_exit_code(tmp_path: Path) -> None:
    """Known from its begin, and from its end; a folder that is gone, or a foreign file, is no error."""
    detached_run.end(tmp_path, 1)  # nothing has begun
    assert detached_run.load(tmp_path) is None
    detached_run.begin(tmp_path)
    known = detached_run.load(tmp_path)
    assert known is not None
    assert (known.pid, known.ended, known.code) == (os.getpid(), None, None)
    detached_run.end(tmp_path, 3)
    known = detached_run.load(tmp_path)
    assert known is not None
    assert known.ended is not None
    assert (known.ended >= known.began, known.code) == (True, 3)
    (tmp_path / FILE).write_text("[]")
    assert detached_run.load(tmp_path) is None
    detached_run.end(tmp_path / "gone", 3)
