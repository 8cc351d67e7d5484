"""--at-end: what the command sees, and that it cannot change the run's exit code."""
from __future__ import annotations

import pytest

from mfmesos.cli.at_end import with_end


@pytest.mark.parametrize("code", [0, 1])
def test_what_the_command_sees(tmp_path, monkeypatch, code):
    """Folder and exit code, and no secret."""
    monkeypatch.setenv("MFMESOS_SECRET", "hunter2")
    said = []
    command = 'echo "$MFMESOS_EXIT_CODE $MFMESOS_FOLDER $MFMESOS_SECRET" > seen; exit 7'
    assert with_end(command, tmp_path, lambda: code, said.append) == code
    assert (tmp_path / "seen").read_text() == f"{code} {tmp_path} \n"
    (line,) = said
    assert "--at-end failed: exit code 7" in line


def test_a_run_that_did_not_start_has_no_end(tmp_path):
    """Its error is what the user sees."""
    def refuse() -> int:
        raise ValueError("nothing started")

    with pytest.raises(ValueError, match="nothing started"):
        with_end("touch seen", tmp_path, refuse, lambda text: None)
    assert not (tmp_path / "seen").exists()
