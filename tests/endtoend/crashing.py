"""`mfmesos ARGV` that kills itself with SIGKILL at its CRASH_AT'th write, each counted before and after: to the
journal, to run.sqlite, to mesos_task_state, to report.jsonl, a rename that places an output, the framework's id."""
from __future__ import annotations

import os
import signal
import sys
from typing import Any, Callable

from mfmesos.cli.command_line import main
from mfmesos.staging import publishing
from mfmesos.store import framework, runlog
from mfmesos.store.finished import FinishedTasks
from mfmesos.store.journal import Journal
from mfmesos.taskfiles import statefile


class Fuse:
    def __init__(self, left: int) -> None:
        self.left = left

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **more: Any) -> Any:
            self.burn()
            result = call(*args, **more)
            self.burn()
            return result
        return guarded


class Os:
    """The os module with some of its functions guarded."""

    def __init__(self, **guarded: Callable[..., Any]) -> None:
        self.__dict__.update(guarded)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def arm(fuse: Fuse) -> None:
    Journal.write = fuse.around(Journal.write)
    Journal.put = fuse.around(Journal.put)
    Journal.flush = fuse.around(Journal.flush)
    Journal.end = fuse.around(Journal.end)
    FinishedTasks.write = fuse.around(FinishedTasks.write)
    statefile.os = Os(write=fuse.around(os.write))
    runlog.os = Os(write=fuse.around(os.write))
    publishing.os = Os(rename=fuse.around(os.rename), link=fuse.around(os.link))
    framework.save = fuse.around(framework.save)
    framework.forget = fuse.around(framework.forget)


if __name__ == "__main__":
    arm(Fuse(int(os.environ["CRASH_AT"])))
    main(sys.argv[1:])
