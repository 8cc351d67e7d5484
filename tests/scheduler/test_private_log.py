"""scheduler.log: private, rotated, text or JSON."""
from __future__ import annotations

import json
import logging

import pytest

from mfmesos.scheduler.private_log import KEPT, PrivateLog


@pytest.fixture
def logged(tmp_path):
    """Writes messages through a handler of the kind."""
    def write(*messages: str, **more: object) -> None:
        handler = PrivateLog(tmp_path / "scheduler.log", **more)
        logger = logging.Logger("mfmesos.test")
        logger.addHandler(handler)
        for message in messages:
            logger.warning("%s", message)
        handler.close()

    return write


def test_lines_of_json(tmp_path, logged):
    """Each is an object with the fields of its message; what looks like a field changes no other key."""
    logged("event=task_ended task=7 category='a b' reason='exit code 3' time=yesterday", kind="json")
    entry = json.loads((tmp_path / "scheduler.log").read_text())
    assert (entry["event"], entry["task"], entry["category"], entry["reason"]) == (
        "task_ended", "7", "a b", "exit code 3")
    assert (entry["level"], entry["logger"]) == ("warning", "mfmesos.test")
    assert isinstance(entry["time"], float)


def test_lines_of_text(tmp_path, logged):
    """One for each message, with its time."""
    logged("event=one", "event=two")
    assert [line.split()[2:] for line in (tmp_path / "scheduler.log").read_text().splitlines()] == [
        ["WARNING", "mfmesos.test", "event=one"], ["WARNING", "mfmesos.test", "event=two"]]


def test_a_long_log_is_rotated(tmp_path, logged):
    """The newest parts stay; every part is for the user alone."""
    logged(*(f"event=number n={n} {'x' * 200}" for n in range(100)), most_bytes=2000)
    parts = sorted(tmp_path.iterdir())
    assert [part.name for part in parts] == ["scheduler.log", *(f"scheduler.log.{n + 1}" for n in range(KEPT))]
    assert {part.stat().st_mode & 0o777 for part in parts} == {0o600}
    assert "n=99" in parts[0].read_text()


def test_lines_that_come_together_are_written_together(tmp_path):
    """A record that another follows at once waits for it, for one write and one look at the file's size."""
    path = tmp_path / "scheduler.log"
    handler = PrivateLog(path)
    logger = logging.Logger("mfmesos.test")
    logger.addHandler(handler)
    logger.warning("event=one", extra={"followed": True})
    assert path.read_text() == ""
    logger.warning("event=two")
    assert [line.split()[4] for line in path.read_text().splitlines()] == ["event=one", "event=two"]
    handler.close()
