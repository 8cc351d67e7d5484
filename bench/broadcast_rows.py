"""The row of one input to many agents over slow links."""
from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from namespaces import Star, star
from plain_copy import large_file, plain_copy
from programs import MFMESOS, BenchError, running, timed, wait_for
from rows import Bench, NotHere, Row, Values, ratio

AGENTS, MBIT, SIZE, SMALLER = 20, 100, 100 * 10**6, 4
CLUSTER = Path(__file__).with_name("cluster_on_hosts.py")
SCHEDULER = "0"
PEERS = "--peer-transfers"


def broadcast(bench: Bench) -> Values:
    """One task on each agent; all read the same file. Every link is limited, the scheduler's as well."""
    if os.geteuid() or not shutil.which("tc"):
        raise NotHere("network namespaces need root and iproute2")
    size = bench.some(SIZE)
    large, small = large_file(bench, size), large_file(bench, size // SMALLER)
    with star(AGENTS + 1, MBIT) as hosts, on_hosts(bench, hosts) as master:
        values = {"transfer_s": one_transfer(hosts, large), "transfer_of_quarter_s": one_transfer(hosts, small)}
        seconds, sent = to_all(bench, hosts, master, small)
        values |= {"quarter_without_peers_s": seconds, "quarter_without_peers_sent_mb": sent, "quarter_mb": size / 4e6}
        if PEERS in flags():
            seconds, sent = to_all(bench, hosts, master, large, PEERS)
            values |= {"with_peers_s": seconds, "with_peers_sent_mb": sent, "size_mb": size / 1e6}
    return values


@contextmanager
def on_hosts(bench: Bench, hosts: Star) -> Iterator[str]:
    """An embedded cluster with one agent on each host but the scheduler's; its master, for a client there."""
    where = bench.new_folder()
    paths = [str(hosts.path(str(number))) for number in range(AGENTS + 1)]
    argv = [sys.executable, str(CLUSTER), str(where / "ready.json"), str(where / "work"), *paths]
    with running(argv, where, "cluster.log"):
        yield json.loads(wait_for(where / "ready.json"))["master"]


def one_transfer(hosts: Star, file: Path) -> float:
    return plain_copy([file], hosts.address("1"), functools.partial(hosts.inside, "1"),
                      functools.partial(hosts.inside, SCHEDULER))


def to_all(bench: Bench, hosts: Star, master: str, file: Path, *options: str) -> tuple[float, float]:
    """Seconds, and MB that left the scheduler's host. No task ends before all have read the input, so that none gets an
    agent that another one has used."""
    where = bench.new_folder()
    (where / "read").mkdir()
    os.link(file, where / "large")
    (where / "all.sh").write_text(
        "wc -c < large > $1; readlink /proc/self/ns/net >> $1; touch $2/$1\n"
        f"while [ $(ls $2 | wc -l) -lt {AGENTS} ]; do sleep 0.1; done\n")
    (where / "tasks.jsonl").write_text("".join(
        f'{{"command": "sh all.sh out.{i} {where}/read", "inputs": ["all.sh", "large"], "outputs": ["out.{i}"], '
        f'"cores": 1, "memory": 512}}\n' for i in range(AGENTS)))
    argv = [*MFMESOS, "run", "--plain", "--no-history", "--master", master, "--listen", hosts.address(SCHEDULER),
            *options, "tasks.jsonl"]
    before = hosts.sent_bytes(SCHEDULER)
    with hosts.inside(SCHEDULER):
        seconds = timed(argv, where).seconds
    sent = hosts.sent_bytes(SCHEDULER) - before
    found = [(where / f"out.{i}").read_text().split() for i in range(AGENTS)]
    if {size for size, _ in found} != {str(file.stat().st_size)} or len({host for _, host in found}) != AGENTS:
        raise BenchError("not every agent had one task that read the whole input")
    return seconds, sent / 1e6


@functools.lru_cache(maxsize=1)
def flags() -> str:
    return subprocess.run([*MFMESOS, "run", "--help"], capture_output=True, text=True, check=True, timeout=60).stdout


ROWS = (
    Row("broadcast", "100 MB to 20 agents, all links limited to 100 Mbit/s", "one such transfer", (
        ratio("with peers", "with_peers_s", "transfer_s", at_most=2.5),
        ratio("with peers: sent by the scheduler / size", "with_peers_sent_mb", "size_mb", at_most=2.0),
        ratio("without peers", "quarter_without_peers_s", "transfer_of_quarter_s"),
        ratio("without peers: sent by the scheduler / size", "quarter_without_peers_sent_mb", "quarter_mb")),
        broadcast, rounds=1, scaled="25 MB without peers", takes_s=70),
)
