"""The row of a batch system that scientists have: Debian's Slurm, started for the bench alone."""
from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engines import compare, mfmesos
from programs import last_line, running, timed
from rows import Bench, NotHere, Row, Values, ratio
from small_rows import fan
from support import free_port

RULES = 50
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
READY_S = 20.0
CONFIG = """
ClusterName=bench
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_min_interval=0
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
MaxJobCount=20000
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
"""Two cores on loopback, without cgroups; jobs are started as soon as one is submitted or ends."""


def by_slurm(bench: Bench) -> Values:
    with slurm(bench) as config:
        return compare(
            bench, fan(bench.some(RULES)), mfmesos=mfmesos(bench.mesos()),
            slurm=lambda where: timed(["makeflow", "-T", "slurm", "Makeflow"], where, SLURM_CONF=config).seconds)


@contextmanager
def slurm(bench: Bench) -> Iterator[str]:
    """A running Slurm; the path of its settings."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise NotHere(f"no {', '.join(missing)}: apt-get install slurm-wlm")
    if os.geteuid():
        raise NotHere("slurmd needs root")
    folder = bench.new_folder()
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(folder=folder, controller_port=free_port(), node_port=free_port()))
    with ExitStack() as stack:
        for argv in (
                ["munged", "--foreground", "--force", f"--key-file={folder}/key", f"--socket={folder}/munge.socket",
                 f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed"],
                ["slurmctld", "-D", "-f", str(config)], ["slurmd", "-D", "-f", str(config), "-N", "localhost"]):
            stack.enter_context(running(argv, folder, f"{argv[0]}.log", SLURM_CONF=str(config)))
        wait_ready(folder, config)
        yield str(config)


def wait_ready(folder: Path, config: Path) -> None:
    """Until Slurm's node takes jobs. Raises NotHere."""
    deadline = time.monotonic() + READY_S
    while True:
        done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False, timeout=60,
                              env={**os.environ, "SLURM_CONF": str(config)})
        if done.stdout.split() == ["idle"]:
            return
        if time.monotonic() > deadline:
            logs = "; ".join(f"{name}: {last_line(folder / f'{name}.log')}" for name in PROGRAMS[:3])
            raise NotHere(f"Slurm does not start: {logs}")
        time.sleep(0.2)


ROWS = (
    Row("slurm", "1,000 rules by `makeflow -T slurm` on Debian's slurm-wlm", "ours",
        (ratio("-T slurm / mfmesos", "slurm_s", "mfmesos_s"),), by_slurm, rounds=1, scaled=f"{RULES} rules",
        takes_s=75),
)
