"""The embedded cluster with each agent on a host of its own, where all that the agent starts runs, too.

    cluster_on_hosts.py READY_FILE WORK_DIR MASTER_HOST AGENT_HOST...

Hosts are network namespaces (tests/namespaces.py) by their paths. The process itself is on none of them: it listens on
each host's loopback. Any client is let in, since the kernel does not show who connects from another namespace; they are
namespaces of the bench alone.
"""
from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from namespaces import entered

from mfmesos.core.model import Resources
from mfmesos.local import access, agent, cluster
from mfmesos.local.container import Container
from mfmesos.shared import atomic

EACH = Resources(1, 1024, 4096)
HOSTS = [Path(word) for word in sys.argv[4:]]


class OnHost(Container):
    """A container on the host of its agent, whose number is in the sandbox's path."""

    async def launch(self, command: Any, environment: Any, fetcher: Any) -> None:
        parts = self.sandbox.parts
        host = HOSTS[int(parts[parts.index("agents") + 1])]
        value = f"exec nsenter --net={host} sh -c {shlex.quote(command['value'])}"
        await super().launch({**command, "value": value}, environment, FetcherOnHost(host, fetcher))


class FetcherOnHost:
    def __init__(self, host: Path, fetcher: Any) -> None:
        self.host, self.fetcher = host, fetcher

    def fetch(self, *args: Any) -> None:
        with entered(self.host):
            self.fetcher.fetch(*args)


async def serve(ready: Path, work_dir: Path, master_host: Path) -> None:
    bind, hosts = cluster._bind, iter([master_host, *HOSTS])

    def on_next_host(port: int) -> socket.socket:
        with entered(next(hosts)):
            return bind(port)

    cluster._bind = on_next_host  # type: ignore[attr-defined]
    agent.Container = OnHost  # type: ignore[attr-defined]
    access.may_connect = lambda *_: True
    one = cluster.LocalCluster(len(HOSTS), EACH, work_dir)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await one.start()
        atomic.write(ready, json.dumps({"master": one.master}))
        await stop.wait()
    finally:
        await one.stop()


if __name__ == "__main__":
    asyncio.run(serve(*map(Path, sys.argv[1:4])))
