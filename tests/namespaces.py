"""Hosts on one machine: network namespaces, with iproute2 and nftables; needs root.

`Hosts`: a cluster behind a router that masquerades, and a host outside that cannot reach it.

    s  10.213.2.2   where the scheduler, managers and the catalog run
    r  10.213.2.1 | 10.213.1.1   the router: it forwards one port to the cluster's master
    c  10.213.1.2   the cluster: master, agents, executors, workers

`Star`: hosts 0, 1, ... (10.214.0.1, 10.214.0.2, ...) on one switch, with links of limited speed.
"""
from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from support import need

OUTSIDE, ROUTER = "10.213.2.2", "10.213.2.1"
CLUSTER = "10.213.1.2"
PREFIX = "mfmesos"
NAMES = "src"
SWITCH = "switch"
CLONE_NEWNET = 0x40000000
CURE = "run as root, with iproute2 and nftables: apt-get install iproute2 nftables"


N = TypeVar("N", bound="Namespaces")


class Namespaces:
    """Hosts by their names, for as long as `made` holds them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {one: f"{PREFIX}-{os.getpid()}-{one}" for one in names}

    def make(self) -> None:
        for name in self._names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")

    def path(self, one: str) -> Path:
        """What a process opens to enter it."""
        return Path("/run/netns") / self._names[one]

    @contextlib.contextmanager
    def inside(self, one: str) -> Iterator[None]:
        """This thread, and every process that it starts in the block, is on that host."""
        with entered(self.path(one)):
            yield

    def remove(self) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=30)


@contextlib.contextmanager
def entered(path: Path) -> Iterator[None]:
    """This thread, and every process that it starts in the block, is in that network namespace."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(path, os.O_RDONLY)
    try:
        setns(there)
        yield
    finally:
        setns(before)
        os.close(there)
        os.close(before)


class Hosts(Namespaces):
    """The three hosts."""

    def __init__(self) -> None:
        super().__init__(NAMES)

    def make(self) -> None:
        super().make()
        self._link("s", f"{OUTSIDE}/24", f"{ROUTER}/24")
        self._link("c", f"{CLUSTER}/24", "10.213.1.1/24")
        run("ip", "-n", self._names["c"], "route", "add", "default", "via", "10.213.1.1")
        with self.inside("r"):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            rules("out", "type nat hook postrouting priority 100", 'oifname "s" masquerade')
        with self.inside("c"):
            Path("/proc/sys/net/ipv4/conf/r/route_localnet").write_text("1")

    def _link(self, one: str, address: str, router: str) -> None:
        """A cable between a host and the router; its ends are named after what is on the other side."""
        host, middle = self._names[one], self._names["r"]
        run("ip", "link", "add", "r", "netns", host, "type", "veth", "peer", "name", one, "netns", middle)
        for name, end, at in ((host, "r", address), (middle, one, router)):
            run("ip", "-n", name, "address", "add", at, "dev", end)
            run("ip", "-n", name, "link", "set", end, "up")

    def forward(self, port: int) -> str:
        """Let the outside reach this port of the cluster's loopback; the address for the outside."""
        with self.inside("r"):
            rules("in", "type nat hook prerouting priority -100", f'iifname "s" tcp dport {port} dnat to {CLUSTER}')
        with self.inside("c"):
            rules("in", "type nat hook prerouting priority -100", f'iifname "r" tcp dport {port} dnat to 127.0.0.1')
        return f"{ROUTER}:{port}"


class Star(Namespaces):
    """Hosts on one switch; each link carries at most `mbit` megabit per second in each direction."""

    def __init__(self, hosts: int, mbit: int) -> None:
        self.mbit = mbit
        super().__init__([SWITCH, *map(str, range(hosts))])

    def make(self) -> None:
        super().make()
        switch = self._names[SWITCH]
        run("ip", "-n", switch, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", switch, "link", "set", "br0", "up")
        for one in self._names.keys() - {SWITCH}:
            host, port = self._names[one], f"port{one}"
            run("ip", "link", "add", "name", "link0", "netns", host,
                "type", "veth", "peer", "name", port, "netns", switch)
            run("ip", "-n", host, "address", "add", f"{self.address(one)}/24", "dev", "link0")
            run("ip", "-n", switch, "link", "set", port, "master", "br0")
            for name, end in ((host, "link0"), (switch, port)):
                run("ip", "-n", name, "link", "set", end, "up")
                run("tc", "-n", name, "qdisc", "add", "dev", end, "root",
                    "tbf", "rate", f"{self.mbit}mbit", "burst", "256kb", "latency", "100ms")

    @staticmethod
    def address(one: str) -> str:
        return f"10.214.0.{int(one) + 1}"

    def sent_bytes(self, one: str) -> int:
        """All that has left this host."""
        done = subprocess.run(["ip", "-n", self._names[one], "-s", "-j", "link", "show", "link0"], capture_output=True,
                              text=True, check=True, timeout=30)
        return int(json.loads(done.stdout)[0]["stats64"]["tx"]["bytes"])


def hosts() -> contextlib.AbstractContextManager[Hosts]:
    return made(Hosts())


def star(count: int, mbit: int) -> contextlib.AbstractContextManager[Star]:
    return made(Star(count, mbit))


@contextlib.contextmanager
def made(some: N) -> Iterator[N]:
    """Made for the block. What a killed test left is removed first."""
    need(os.geteuid() == 0 and shutil.which("ip") and shutil.which("nft"), "no network namespaces here", CURE)
    for name in stale():
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=30)
    try:
        some.make()
        yield some
    finally:
        some.remove()


def stale() -> list[str]:
    """Those of test runs that are dead."""
    found = Path("/run/netns").glob(f"{PREFIX}-*-*")
    return [p.name for p in found if not Path(f"/proc/{p.name.split('-')[1]}").exists()]


def setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"


def rules(chain: str, *lines: str) -> None:
    text = f"table ip nat {{\nchain {chain} {{\n" + "".join(f"{line};\n" for line in lines) + "}\n}\n"
    done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
