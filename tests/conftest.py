"""Makes tests/support.py importable from every test folder; gives signals their usual meaning."""
import signal
import sys
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

# A shell that starts the tests in the background lets these be ignored, and every program that a test starts with them.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture(autouse=True)
def own_history(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test learns from another, or adds to the history of the user who runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
