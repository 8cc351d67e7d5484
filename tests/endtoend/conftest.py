"""Fixtures for tests of workers."""
from pools import catalog  # noqa: F401  pytest finds it by this name
