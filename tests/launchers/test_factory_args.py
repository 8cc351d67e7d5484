"""work_queue_factory's command line as the launcher reads it, and its workers as the scheduler gets them."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from mfmesos.core.model import Request
from mfmesos.launchers.factory_args import parse
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.taskfiles.entries import Submitted
from mfmesos.taskfiles.taskfile import TaskInfoParser
from mfmesos.taskfiles.workers import OWN_MB, as_worker, for_workers


def test_batch_type_is_added() -> None:
    """-T mesos comes first unless it was given, in any spelling; all else stays as it is and where it is."""
    given = ["-M", "p.*", "-w1", "-W", "5", "--cores", "2", "--memory=100", "-P", "pw", "-cd", "all", "h", "9123"]
    assert parse(given).argv == ["-T", "mesos", "-M", "p.*", "-w1", "-W", "5", "--cores", "2", "--memory=100",
                                 "-P", "pw", "-c", "-d", "all", "h", "9123"]
    for spelled in (["-Tmesos"], ["-T", "mesos"], ["--batch-type=mesos"], ["--batch-type", "mesos"]):
        assert parse([*spelled, "-Mp"]).argv == [*spelled, "-Mp"]


@pytest.mark.parametrize("argv", [["-T", "local"], ["-Tlocal", "-M", "p"], ["-M", "p", "--batch-type", "local"]])
def test_another_batch_type_is_refused(argv: list[str]) -> None:
    """In one line that names it."""
    with pytest.raises(ConfigError, match="-T local: mfmesos runs work_queue_factory with -T mesos only") as e:
        parse(argv)
    assert "\n" not in str(e.value)


def test_a_value_is_no_option() -> None:
    """What looks like an option after one that takes a value is its value; a missing value is reported."""
    assert parse(["-E", "-T local", "-M", "-Tlocal"]).argv == ["-T", "mesos", "-E", "-T local", "-M", "-Tlocal"]
    with pytest.raises(ConfigError, match="-M: work_queue_factory needs a value"):
        parse(["-M"])


def test_master() -> None:
    """--mesos-master is known in both spellings; what breaks the start is dropped with its value."""
    args = parse(["--mesos-path", "/x", "--mesos-preload=/y", "--mesos-master", "h:5050/", "-Mp"])
    assert args.master == "h:5050"
    assert args.dropped == ["--mesos-path", "--mesos-preload"]
    assert args.argv == ["-T", "mesos", "--mesos-master", "h:5050/", "-Mp"]
    assert parse(["-Mp"]).master is None


def test_folder() -> None:
    """The factory's folder is its scratch folder: -S, or the one it makes for itself below the present one."""
    assert parse(["-Mp"]).workdir(Path("/w")) == Path(f"/w/wq-factory-{os.getuid()}")
    assert parse(["-S", "s/../t"]).workdir(Path("/w")) == Path("/w/t")
    assert parse(["--scratch-dir=/abs"]).workdir(Path("/w")) == Path("/abs")


@pytest.mark.parametrize("argv", [["--help"], ["-v"], ["-T", "local", "-h"]])
def test_what_runs_nothing_is_passed_on_unchanged(argv: list[str]) -> None:
    """--help and --version need no scheduler."""
    args = parse(argv)
    assert args.starts_nothing
    assert args.argv == argv


def test_env_reaches_the_workers() -> None:
    """--env, which the factory passes to no scheduler, becomes a wrapper, before the user's own."""
    assert parse(["--env", "A=b c", "-Mp", "--env=D=e"]).argv == [
        "-T", "mesos", "--wrapper", "env 'A=b c' D=e", "-Mp"]
    assert parse(["--wrapper", "nice -n 5", "--env=A=b"]).argv == [
        "-T", "mesos", "--wrapper", "env A=b nice -n 5"]
    assert parse(["--wrapper", "nice -n 5", "-Mp"]).argv == ["-T", "mesos", "-Mp", "--wrapper", "nice -n 5"]


# As the real factory wrote them (Debian's coop-computing-tools 9.9), but for the folder.
BARE = (b"1,./work_queue_worker -M p -t 300 -C '127.0.0.1:9' -d all -o worker.log   ,/w/work_queue_worker "
        b"/w/./work_queue_worker,output.log,-1,-1,-1,submitted\n")
SIZED = (b"1,./work_queue_worker -M p -t 300 -C '127.0.0.1:9' -d all -o worker.log -P pwfile --cores=1.000 "
         b"--memory=200 --disk=300 ,/w/work_queue_worker /w/pwfile /w/./work_queue_worker,output.log,1,200,300,"
         b"submitted\n")


def task(record: bytes):
    (found,) = TaskInfoParser("/w").feed(record)
    assert isinstance(found, Submitted)
    return found.task


def test_a_worker_without_a_size_is_told_what_it_got() -> None:
    """Else it would take the whole machine for its own; and no output is wanted of it."""
    worker = as_worker(task(BARE))
    assert worker.command.endswith('-o worker.log --cores="$CORES" --memory="$MEMORY" --disk="$DISK"')
    assert (worker.outputs, worker.inputs, worker.request) == ((), ("work_queue_worker",), Request())


def test_a_worker_with_a_size_keeps_it() -> None:
    """Its command is the factory's; it gets room for itself beside what its tasks may use."""
    worker = as_worker(task(SIZED))
    assert worker.command == task(SIZED).command.rstrip()
    assert worker.inputs == ("work_queue_worker", "pwfile")
    assert worker.request == Request(1.0, 200 + OWN_MB, 300 + OWN_MB)


def test_a_size_in_the_extra_options_counts() -> None:
    """-E --cores=4: only options that the user did not give are added."""
    worker = as_worker(task(BARE.replace(b"worker.log   ,", b"worker.log  --cores=4 ,")))
    assert worker.command.endswith(' --cores=4 --memory="$MEMORY" --disk="$DISK"')


def test_gpus_are_asked_for() -> None:
    """The factory passes them to the worker only, not in the record."""
    worker = as_worker(task(BARE.replace(b"worker.log   ,", b"worker.log   --gpus=2 ,")))
    assert worker.request == Request(gpus=2.0)


def test_another_worker_binary() -> None:
    """The factory names work_queue_worker as an input even if --worker-binary is another, and does not put it there."""
    other = BARE.replace(b"1,./work_queue_worker", b"1,./mine").replace(b"/w/./work_queue_worker", b"/w/./mine")
    assert as_worker(task(other)).inputs == ("mine",)


def test_nothing_is_learnt_from_workers() -> None:
    """The scheduler of a factory neither estimates nor keeps a history, whatever was asked."""
    config = for_workers(SchedulerConfig(workdir="/w", estimates="override", history="/h"))
    assert (config.engine, config.estimates, config.history) == ("factory", "off", None)
