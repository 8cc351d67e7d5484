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
        folder = tmp_path / f"sandbox{len(started)}"
        folder.mkdir()
        started.append(Running(folder, kw.pop("server", staging), **kw))
        return started[-1]

    yield begin
    for one in started:
        one.executor.on_lost("the test is over")
        one.end()


@pytest.fixture
def executor(start):
    return start()
