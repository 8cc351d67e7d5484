"""Makes tests/support.py importable from every test folder; gives signals their usual meaning; sets how many examples
Hypothesis tries, and which tests come first."""
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from clusters import (  # noqa: F401  fixtures: pytest finds them by these names
    cluster,
    embedded_mesos,
    make_cluster,
    make_embedded,
    make_real_mesos,
    real_mesos,
)
from hypothesis import HealthCheck, settings
from support import examples

# Tests have a time limit; single examples have none, since a busy machine makes them slow.
settings.register_profile("mfmesos", settings(), max_examples=examples(100), deadline=None, stateful_step_count=60,
                          suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("mfmesos"), stateful_step_count=600)
settings.load_profile("mfmesos")

# A shell that starts the tests in the background lets these be ignored, and every program that a test starts with them.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

WAITING = {"chaos", "contract", "endtoend", "executor", "test_bench.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits long comes first: no worker is left alone with a long file at the end, when there are several."""
    items.sort(key=lambda item: not WAITING & set(item.path.parts))


@pytest.fixture(autouse=True)
def own_history(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test learns from another, or adds to the history of the user who runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither use nor change the user's cache; they share one, since most need the same archive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
