"""The pool's engine, as far as tests/endtoend does not cover it."""
from __future__ import annotations

from pathlib import Path

import pytest

from mfmesos.core.model import Request, SavedTask, Task
from mfmesos.engines.pool_engine import GOOD, PoolEngine
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.settings.pool_settings import PoolSettings, as_json
from mfmesos.shares.pool_values import ProjectSettings


def made(folder: Path, said: list[str]) -> PoolEngine:
    (folder / ".mfmesos").mkdir(exist_ok=True)
    base = as_json(PoolSettings({"p": ProjectSettings()}, catalog="c:1"))
    return PoolEngine(SchedulerConfig(str(folder), engine="pool", pool=base, parent_pid=7), echo=said.append,
                      getppid=lambda: 8)


def test_another_life_with_a_broken_file(tmp_path: Path) -> None:
    """A scheduler that is started again continues with the last valid settings; a first one refuses."""
    said: list[str] = []
    file = tmp_path / "pool.json"
    file.write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        made(tmp_path, said)
    file.write_text('{"projects": {"q": {"max": 3}}}')
    made(tmp_path, said)
    assert not said
    file.write_text("{")
    assert made(tmp_path, said)._settings.projects == {"q": ProjectSettings(0, 3)}
    assert [line.endswith("; the previous settings stay in force") for line in said] == [True]
    assert (tmp_path / ".mfmesos" / GOOD).stat().st_mode & 0o777 == 0o600


def test_workers_of_an_earlier_life_go_on(tmp_path: Path) -> None:
    """All of them, and new ones are numbered behind them."""
    engine = made(tmp_path, [])
    task = Task(2_000_000_007, "w", request=Request(1, 100, 100), category="p h:1")
    saved = SavedTask(task, (), 0, "", 1)
    assert engine.resume([saved]) == [saved]
    assert [w.project for w in engine._workers.values()] == ["p"]
    assert engine._last_id >= 2_000_000_007


def test_its_launcher_is_gone(tmp_path: Path) -> None:
    """Another parent than the one that started it means that the launcher has died."""
    assert "has ended" in made(tmp_path, []).alive()
