"""A real Apache Mesos 1.11.0 master with N agents, on one machine, in one process.

    python tests/realmesos install                       fetch the egg, build the stubs
    python tests/realmesos run [--port 0] [--agents 2] [--resources 'cpus:4;mem:4096;disk:20000']
                               [--work-dir DIR] [--flag name=value ...] [--attributes 'rack:a' ...]
                               foreground; SIGTERM ends it

--flag sets any master or agent flag (they share one environment). Port 0 asks the kernel; every agent has a port of
its own. A run with the same --work-dir takes the same ports and recovers the registry, the agents and their
checkpointed executors. When all agents are registered, one line of JSON says where: on stdout and in --ready-file.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from realmesos import install, native, processes, proxy

HELPERS = ("mesos-containerizer", "mesos-fetcher")
READY_S = 30.0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="realmesos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(required=True, dest="command")
    sub.add_parser("install")
    run = sub.add_parser("run")
    run.add_argument("--port", type=int, default=0)
    run.add_argument("--agents", type=int, default=2)
    run.add_argument("--resources", default="cpus:4;mem:4096;disk:20000;ports:[31000-32000]")
    run.add_argument("--work-dir", default="realmesos-work", type=Path)
    run.add_argument("--flag", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("--attributes", action="append", default=[], metavar="NAME:VALUE;...",
                     help="of the first agent; given again, of the next one")
    run.add_argument("--ready-file", type=Path)
    run.add_argument("--temporary", action="store_true", help="remove the work dir when the parent is gone")
    run.add_argument("--parent-pid", type=int, help="end when this process is no longer the parent")
    return parser.parse_args(argv)


def bind(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def ports_before(args: argparse.Namespace) -> tuple[int, list[int]]:
    """The master's port and the agents': those of the run before on this work dir, else what was asked for."""
    agents = [args.port + i if args.port else 0 for i in range(1, args.agents + 1)]
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads((args.work_dir / "launcher" / "cluster.json").read_text())
        if args.port in (0, known["port"]) and len(known["agents"]) == args.agents:
            return known["port"], known["agents"]
    return args.port, agents


def prepare_launcher(work_dir: Path, port: int, agents: list[int]) -> None:
    launcher = work_dir / "launcher"
    launcher.mkdir(parents=True, exist_ok=True)
    for name in HELPERS:
        source = Path(__file__).resolve().parent / "launcher" / name
        (launcher / name).write_text(source.read_text().replace("/usr/bin/python3", sys.executable, 1))
        (launcher / name).chmod(0o755)
    shutil.copy(Path(native.__file__), launcher)
    isolated = "filesystem/linux" in os.environ["MESOS_ISOLATION"]
    fresh = launcher / "cluster.json.new"
    fresh.write_text(json.dumps({
        "port": port, "agents": agents, "library": str(install.library()) if isolated else ""}))
    fresh.rename(launcher / "cluster.json")


def set_environment(args: argparse.Namespace, port: int) -> None:
    work_dir = str(args.work_dir)
    os.environ.update({
        "LIBPROCESS_IP": "127.0.0.1", "LIBPROCESS_PORT": str(port),
        "MESOS_WORK_DIR": work_dir, "MESOS_RUNTIME_DIR": f"{work_dir}/run",
        "MESOS_NUM_SLAVES": str(args.agents), "MESOS_LAUNCHER_DIR": f"{work_dir}/launcher",
        "MESOS_RESOURCES": args.resources, "MESOS_LAUNCHER": "posix", "MESOS_ISOLATION": "posix/cpu,posix/mem",
        "MESOS_SYSTEMD_ENABLE_SUPPORT": "false", "MESOS_HOSTNAME": "localhost",
        # Agents wait up to this long before they register, so that thousands do not come at once.
        "MESOS_REGISTRATION_BACKOFF_FACTOR": "10ms",
        "MESOS_CGROUPS_ROOT": f"mesos-{os.getpid()}",
    })
    for flag in args.flag:
        name, _, value = flag.partition("=")
        os.environ["MESOS_" + name.upper()] = value


def get(address: str, path: str) -> dict[str, object]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{address}{path}", timeout=5) as answer:
        return dict(json.load(answer))


def wait_ready(port: int, agents: list[int]) -> None:
    """Until the master leads and every agent is registered and done with its recovery."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            metrics = get(f"127.0.0.1:{port}", "/metrics/snapshot")
            if metrics["master/slaves_active"] == len(agents):
                return
        except (OSError, KeyError):
            pass
        if time.monotonic() > deadline:
            print(f"realmesos: not all agents registered within {READY_S:g} s", file=sys.stderr, flush=True)
            os._exit(1)
        time.sleep(0.02)


def end(args: argparse.Namespace, orphaned: bool) -> None:
    """Ends every process of the agents, then this one without libmesos's own (endless) way out."""
    processes.end_all(args.work_dir, root=os.getpid())
    deadline = time.monotonic() + 2
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
    remove_cgroups(os.environ["MESOS_CGROUPS_ROOT"])
    if orphaned and args.temporary:
        shutil.rmtree(args.work_dir, ignore_errors=True)
    os._exit(0)


def remove_cgroups(root: str) -> None:
    for hierarchy in Path("/sys/fs/cgroup").glob(f"*/{root}"):
        for folder in sorted(hierarchy.rglob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            hierarchy.rmdir()


def each_its_attributes(work_dir: Path, each: list[str]) -> None:
    """Agents read their flags from one environment, one after the other: it names a pipe, and each finds its own there.

    The next pipe has that name before this one is closed, so that no agent reads what is meant for another.
    """
    path = work_dir / "attributes"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    os.environ["MESOS_ATTRIBUTES"] = f"file://{path}"

    def feed() -> None:
        for attributes in each:
            with path.open("w") as pipe:  # as soon as an agent reads
                following = path.with_name("attributes.next")
                os.mkfifo(following)
                following.rename(path)
                pipe.write(attributes)

    threading.Thread(target=feed, daemon=True).start()


async def serve(args: argparse.Namespace, port: int, listeners: list[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [await proxy.serve_agent(s, port, i) for i, s in enumerate(listeners, 1)]
    agents = [s.getsockname()[1] for s in listeners]
    ready = loop.run_in_executor(None, wait_ready, port, agents)
    while not stop.is_set() and (args.parent_pid is None or os.getppid() == args.parent_pid):
        done, _ = await asyncio.wait(
            [asyncio.ensure_future(stop.wait()), *([ready] if ready else [])],
            timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        if ready in done:
            ready = None
            say_ready(args, port, agents)
    del servers
    end(args, orphaned=not stop.is_set())


def say_ready(args: argparse.Namespace, port: int, agents: list[int]) -> None:
    text = json.dumps({
        "pid": os.getpid(), "version": install.VERSION, "master": f"127.0.0.1:{port}",
        "agents": [f"127.0.0.1:{p}" for p in agents], "cgroups_root": os.environ["MESOS_CGROUPS_ROOT"]})
    print(text, flush=True)
    if args.ready_file:
        fresh = args.ready_file.with_name(args.ready_file.name + ".new")
        fresh.write_text(text)
        fresh.rename(args.ready_file)


def run(args: argparse.Namespace) -> None:
    library = install.install()
    if shutil.which("python3") is None:
        raise install.InstallError("no python3 on PATH")
    args.work_dir = args.work_dir.resolve()
    port, agent_ports = ports_before(args)
    try:
        listeners = [bind(p) for p in agent_ports]
        bind(port).close()
    except OSError as e:
        raise install.InstallError(f"a port of {port}, {agent_ports} is in use ({e}); choose another --port") from None
    set_environment(args, port)
    prepare_launcher(args.work_dir, port, [s.getsockname()[1] for s in listeners])
    if args.attributes:
        each_its_attributes(args.work_dir, args.attributes)
    alive = native.launch(library)
    port = port or native.listening_port()
    prepare_launcher(args.work_dir, port, [s.getsockname()[1] for s in listeners])
    asyncio.run(serve(args, port, listeners))
    del alive


def main() -> None:
    args = parse(sys.argv[1:])
    try:
        if args.command == "install":
            print(install.install())
        else:
            run(args)
    except install.InstallError as e:
        sys.exit(f"realmesos: {e}")


if __name__ == "__main__":
    main()
