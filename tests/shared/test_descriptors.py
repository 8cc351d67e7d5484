"""The soft limit of file descriptors is raised at the start; none left is a reason to wait."""
from __future__ import annotations

import errno
import resource
import subprocess
import sys

from mfmesos.core.events import TaskSubmitted
from mfmesos.core.model import Task
from mfmesos.engines import stager as module
from mfmesos.engines.stager import Stager
from mfmesos.staging.inputs import InputIndex


def raised(soft: int, hard: int) -> str:
    code = (f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
            "from mfmesos.shared import descriptors; print(descriptors.raise_limit(), descriptors.limit())")
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_soft_limit_is_raised():
    """To the hard one, and where that is very high not to its end."""
    assert raised(256, 1024) == "1024 1024"
    assert raised(256, 256) == "256 256"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > 65536:
        assert raised(256, hard) == "65536 65536"


def test_a_task_whose_inputs_find_no_descriptor(tmp_path, monkeypatch):
    """It is looked at again: a task does not fail for what is short for the moment."""
    (tmp_path / "in").write_text("x")
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    index = InputIndex(tmp_path)
    real, left = index._hash, [3]

    def hash_later(path):
        left[0] -= 1
        if left[0]:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path)

    monkeypatch.setattr(index, "_hash", hash_later)
    stager = Stager(tmp_path, index, lambda *events: None)
    event = stager.look(Task(1, "cat in", ("in",)))
    stager.close()
    assert isinstance(event, TaskSubmitted)
    assert [i.name for i in event.inputs] == ["in"]
