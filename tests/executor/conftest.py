from __future__ import annotations

import pytest
from executor_fakes import FakeStaging, Running


@pytest.fixture
def staging():
    server = FakeStaging()
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path, staging):
    """start(**claim fields) gives a running executor; all end with the test."""
    started = []

    def begin(**kw):
        folder = kw.pop("folder", None) or tmp_path / f"sandbox{len(started)}"
        folder.mkdir(exist_ok=True)
        started.append(Running(folder, kw.pop("server", staging), **kw))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def executor(start):
    return start()
