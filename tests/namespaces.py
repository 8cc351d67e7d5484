"""Three hosts on one machine: a cluster behind a router that masquerades, and a host outside that cannot reach it.

    s  10.213.2.2   where the scheduler, managers and the catalog run
    r  10.213.2.1 | 10.213.1.1   the router: it forwards one port to the cluster's master
    c  10.213.1.2   the cluster: master, agents, executors, workers

Network namespaces, with iproute2 and nftables; needs root.
"""
from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support import need

OUTSIDE, ROUTER = "10.213.2.2", "10.213.2.1"
CLUSTER = "10.213.1.2"
PREFIX = "mfmesos"
NAMES = "src"
CLONE_NEWNET = 0x40000000
CURE = "run as root, with iproute2 and nftables: apt-get install iproute2 nftables"


class Hosts:
    """The three hosts, for as long as `hosts` holds them."""

    def __init__(self) -> None:
        self._names = {one: f"{PREFIX}-{os.getpid()}-{one}" for one in NAMES}

    def make(self) -> None:
        for name in self._names.values():
            run("ip", "netns", "add", name)
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
            run("ip", "-n", name, "link", "set", "lo", "up")

    def forward(self, port: int) -> str:
        """Let the outside reach this port of the cluster's loopback; the address for the outside."""
        with self.inside("r"):
            rules("in", "type nat hook prerouting priority -100", f'iifname "s" tcp dport {port} dnat to {CLUSTER}')
        with self.inside("c"):
            rules("in", "type nat hook prerouting priority -100", f'iifname "r" tcp dport {port} dnat to 127.0.0.1')
        return f"{ROUTER}:{port}"

    @contextlib.contextmanager
    def inside(self, one: str) -> Iterator[None]:
        """This thread, and every process that it starts in the block, is on that host."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self._names[one]}", os.O_RDONLY)
        try:
            setns(there)
            yield
        finally:
            setns(before)
            os.close(there)
            os.close(before)

    def remove(self) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=30)


@contextlib.contextmanager
def hosts() -> Iterator[Hosts]:
    """Made for the block. What a killed test left is removed first."""
    need(os.geteuid() == 0 and shutil.which("ip") and shutil.which("nft"), "no network namespaces here", CURE)
    for name in stale():
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=30)
    made = Hosts()
    try:
        made.make()
        yield made
    finally:
        made.remove()


def stale() -> list[str]:
    """Those of test runs that are dead."""
    found = Path("/run/netns").glob(f"{PREFIX}-*-[{NAMES}]")
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
