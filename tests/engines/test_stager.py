"""The stager: inputs that tasks share."""
from __future__ import annotations

import os
from pathlib import Path

from mfmesos.core.events import TaskSubmitted
from mfmesos.core.model import StagedInput, Task
from mfmesos.engines.stager import Stager
from mfmesos.staging.inputs import InputIndex


def test_tasks_that_share_an_input_share_its_record(tmp_path: Path):
    """Once in memory, whatever the number of tasks. A change, if only of its time, is seen by those that come later."""
    stager = Stager(tmp_path, InputIndex(tmp_path), lambda *events: None)

    def staged(number: int) -> StagedInput:
        event = stager.look(Task(number, "cat in", ("in",)))
        assert isinstance(event, TaskSubmitted)
        (item,) = event.inputs
        return item

    path = tmp_path / "in"
    path.write_text("x\n")
    os.utime(path, (1.7e9, 1.7e9))
    first = staged(1)
    assert staged(2) is first
    os.utime(path, (1.6e9, 1.6e9))
    touched = staged(3)
    assert touched == first
    assert (touched.mtime_ns, first.mtime_ns) == (1_600_000_000 * 10**9, 1_700_000_000 * 10**9)
    assert staged(4) is touched
    path.write_text("y\n")
    assert staged(5).digest != first.digest
    stager.close()
