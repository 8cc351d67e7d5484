"""Fixtures for tests of whole runs."""
import pytest
from flows import end_started
from pools import catalog  # noqa: F401  pytest finds it by this name


@pytest.fixture(autouse=True)
def no_run_is_left():
    """A test that fails in the middle of a run ends it."""
    yield
    end_started()
