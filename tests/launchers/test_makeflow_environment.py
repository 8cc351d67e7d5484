"""Where a workflow gives its tasks an environment, as far as that can be seen without makeflow."""
from __future__ import annotations

from pathlib import Path

import pytest

from mfmesos.launchers.makeflow_environment import lost_by


@pytest.mark.parametrize(("text", "named"), [
    ("export A=1\na:\n\techo > a\n", "export A"),
    ("A=1\n  export A B\nexport C # all\nexport D\nexport E\n", "export A, C, D, ..."),
    ('{"environment": {"A": "1"}, "rules": []}', "environment"),
    ('{"rules": [{"outputs": [], "environment" : {}}]}', "environment"),
])
def test_plain_makeflow_keeps_environments_from_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: str,
) -> None:
    """One line names the file and what is lost, and the cure."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow").write_text(text)
    line = lost_by(["makeflow", "-T", "mesos", "flow"])
    assert line.startswith(f"flow: {named}: plain makeflow does not pass environments to its tasks")
    assert "`mfmesos makeflow`, which passes them on" in line


def test_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment, no file, or options that are not makeflow's: no message."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow").write_text("A=1\na:\n\techo export A > a\n")
    assert lost_by(["makeflow", "-T", "mesos", "flow"]) == lost_by(["makeflow", "none"]) == lost_by([]) == ""
    assert lost_by(["makeflow", "--send-environment", "flow"]).startswith("flow: --send-environment: ")
    assert lost_by(["makeflow", "-J"]) == ""
