"""Which attempts of a claim run at once."""
from __future__ import annotations

import pytest
from executor_fakes import run
from mfmesos_executor.room import Room

from mfmesos.shared.wire import ClaimData


def claim(**kw: object) -> ClaimData:
    return ClaimData(**{"url": "", "claim": "c", "token": "t", "memory_mb": 2000.0, "disk_mb": 2000.0, "cores": 4.0,
                        "gpus": 1.0, **kw})  # type: ignore[arg-type]


@pytest.mark.parametrize("ends", [Room.leave, Room.keep_disk])
def test_no_two_attempts_have_the_same_id(ends):
    """A GPU that the scheduler gives out again is free when its task has ended, although the claim has room before: a
    killed task takes seconds to end. Another GPU need not wait, except behind the first in the queue."""
    room, started = Room(claim(gpus=2.0)), []
    for name, gpu in (("1.1", "0"), ("2.1", "0"), ("3.1", "1")):
        room.enter(run(name, "true", gpus=1.0, given={"gpus": [gpu]}), lambda name=name: started.append(name))
    assert started == ["1.1"]
    ends(room, "1.1")
    assert started == ["1.1", "2.1", "3.1"]


def test_ids_are_told_apart_by_their_resource():
    """Number 0 of one resource is not number 0 of another."""
    room, started = Room(claim(others={"fpgas": 1.0})), []
    room.enter(run("1.1", "true", gpus=1.0, given={"gpus": ["0"]}), lambda: started.append(1))
    room.enter(run("2.1", "true", others={"fpgas": 1.0}, given={"fpgas": ["0"]}), lambda: started.append(2))
    assert started == [1, 2]
