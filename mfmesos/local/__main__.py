"""The embedded cluster in the foreground: `python -m mfmesos.local --agents 2`; SIGTERM or Ctrl-C ends it."""
from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from mfmesos.core.model import Resources
from mfmesos.local import agent_options
from mfmesos.shared import atomic
from mfmesos.shared.bounds import AGENTS, AMOUNT, BOUND, PORT
from mfmesos.shared.messages import local as m
from mfmesos.shared.phrases import counted, printable
from mfmesos.shared.resources import named
from mfmesos.shared.terminal import ending_signals

PARENT_POLL_S = 0.25
INTERVAL_S = 0.2
"""Mesos allocates once a second; on the user's own machine the next claim need not wait that long."""
SIZES = {"cpus": "cores", "mem": "memory_mb", "disk": "disk_mb", "gpus": "gpus"}
"""Options with a name of Mesos's, and our names."""


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mfmesos.local", description=__doc__)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--cpus", type=float, help="of each agent; default: its share of this machine's")
    parser.add_argument("--mem", type=float, help="of each agent, in MB; the same default")
    parser.add_argument("--disk", type=float, help="of each agent, in MB; the same default")
    parser.add_argument("--gpus", type=float)
    parser.add_argument("--resources", help="of each agent, as Mesos's option: 'cpus:2;gpus:4;ports:[31000-31099]'")
    parser.add_argument("--attributes", default="", help="of each agent, as Mesos's option: 'rack:r1;gpu_type:a100'")
    parser.add_argument("--port", type=int, default=0, help="of the master; 0 asks the kernel (default)")
    parser.add_argument("--work-dir", type=Path, help="where sandboxes are; default: a temporary folder")
    parser.add_argument("--secret-file", type=Path, help="holds PRINCIPAL:SECRET, which clients must send then")
    parser.add_argument("--ready-file", type=Path, help="gets one line of JSON when the cluster serves")
    parser.add_argument("--ready-fd", type=int, help="the same, to an open file descriptor, which is closed then")
    parser.add_argument("--parent-pid", type=int, help="end when this process is no longer the parent")
    parser.add_argument("--allocation-interval", type=float, default=INTERVAL_S, metavar="SECONDS",
                        help="what comes free is offered after this long at most; default: %(default)g")
    parser.add_argument("--faults", action="store_true", help="serve faults on demand, for tests")
    return parser.parse_args(argv)


def error_of(args: argparse.Namespace) -> str | None:
    """The mistake in the options, in one line."""
    for name in ("cpus", "mem", "disk", "gpus"):
        if (getattr(args, name) or 0) < 0:
            return m.NEGATIVE_AMOUNT(name=name, value=getattr(args, name))
    if args.agents < 1:
        return m.TOO_FEW_AGENTS(value=args.agents)
    if not PORT.holds(args.port):
        return m.PORT_OUT_OF_BOUNDS(value=args.port)
    limits = {**dict.fromkeys(("cpus", "mem", "disk", "gpus"), AMOUNT), "agents": AGENTS, "allocation-interval": BOUND}
    for name, bounds in limits.items():
        number = getattr(args, name.replace("-", "_"))
        if number is not None and not bounds.holds(number):
            return m.AMOUNT_OUT_OF_BOUNDS(name=name, value=number, bounds=bounds)
    try:
        agent_options.resources(args.resources or "cpus:1")
    except ValueError:
        return m.RESOURCES_MALFORMED(value=printable(args.resources, 60))
    try:
        agent_options.attributes(args.attributes)
    except ValueError:
        return m.ATTRIBUTES_MALFORMED(value=printable(args.attributes, 60))
    return None


def wanted(args: argparse.Namespace, machine: Resources) -> Resources:
    """What each agent has: what the options say, and for the rest what this machine has."""
    given = agent_options.resources(args.resources).scalars if args.resources else {}
    for name in SIZES:
        if getattr(args, name) is not None:
            given[name] = getattr(args, name)
    sizes = {ours: given.pop(name) for name, ours in SIZES.items() if name in given}
    return machine._replace(**sizes, others=named(given))


def say_ready(args: argparse.Namespace, text: str) -> None:
    if args.ready_file is not None:
        atomic.write(args.ready_file, text)
    if args.ready_fd is not None:
        os.write(args.ready_fd, text.encode())
        os.close(args.ready_fd)


async def run(args: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, stop.set)
    from mfmesos.local.access import Credential
    from mfmesos.local.cluster import LocalCluster, machine_resources

    try:
        secret = Credential.read(args.secret_file) if args.secret_file else None
    except ValueError as e:
        return fail(str(e))
    folder = args.work_dir or Path("/tmp")
    folder.mkdir(parents=True, exist_ok=True)
    resources = wanted(args, machine_resources(folder, args.agents))
    cluster = LocalCluster(args.agents, resources, args.work_dir, args.port, secret, args.faults,
                           args.allocation_interval,
                           agent_options.resources(args.resources).by_id if args.resources else None,
                           agent_options.attributes(args.attributes))
    try:
        await cluster.start()
        text = json.dumps({"pid": os.getpid(), "master": cluster.master, "agents": cluster.agents,
                           "work_dir": str(cluster.work_dir)}) + "\n"
        agents = counted(args.agents, "agent")
        print(m.CLUSTER_READY(master=cluster.master, agents=agents, resources=resources), flush=True)
        if secret is None:
            print(m.CLUSTER_OPEN(), file=sys.stderr, flush=True)
        say_ready(args, text)
        while not stop.is_set() and (args.parent_pid is None or os.getppid() == args.parent_pid):
            try:
                await asyncio.wait_for(stop.wait(), PARENT_POLL_S if args.parent_pid else None)
            except asyncio.TimeoutError:
                continue
    except OSError as e:
        return fail(m.PORT_UNUSABLE(port=args.port, why=e.strerror or e))
    finally:
        await cluster.stop()
    return 0


def fail(text: str) -> int:
    print(m.CLUSTER_ERROR(why=text), file=sys.stderr, flush=True)
    return 1


def main(argv: list[str] | None = None) -> int:
    args = parse(sys.argv[1:] if argv is None else argv)
    if error := error_of(args):
        return fail(error)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    return asyncio.run(run(args))


if __name__ == "__main__":
    sys.exit(main())
