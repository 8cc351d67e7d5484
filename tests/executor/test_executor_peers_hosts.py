"""Peers on hosts of their own: slow links, and a router that masquerades. Network namespaces; needs root."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from namespaces import OUTSIDE, Namespaces, hosts, star
from peer_agents import AgentProcess, Site

MB = 1 << 20
SIZE = 3 * MB


@contextlib.contextmanager
def agents(net: Namespaces, at: list[str], folder: Path, listen: str) -> Iterator[list[AgentProcess]]:
    """A process for each host in `at`; the staging server listens where this thread is."""
    site = Site(folder / "flow", host=listen, tls=None)
    assert site.server.url.startswith("https:")
    (site.folder / "big").write_bytes(bytes(range(256)) * (SIZE // 256))
    made: list[AgentProcess] = []
    try:
        for number, host in enumerate(at):
            data, (item,) = site.claim(f"c{number}", "big")
            with net.inside(host):
                made.append(AgentProcess(data, item, folder / f"c{number}"))
        for agent in made:
            assert agent.hear() == "ready"
        yield made
    finally:
        for agent in made:
            agent.close()
        site.stop()


def fetched(agent: AgentProcess) -> tuple[int, int]:
    """Bytes from peers and from the scheduler."""
    heard: dict[str, Any] = agent.hear()
    return heard["from_peers"], heard["from_scheduler"]


def test_slow_links(tmp_path: Path) -> None:
    """One copy leaves the scheduler's host, with TLS and all that is said beside it at most a tenth more."""
    with star(6, 20) as net, net.inside("0"), agents(
            net, list("12345"), tmp_path, net.address("0")) as made:
        before = net.sent_bytes("0")
        for agent in made:
            agent.go()
        found = [fetched(agent) for agent in made]
        assert sorted(found) == [(0, SIZE), *[(SIZE, 0)] * 4]
        assert net.sent_bytes("0") - before < 1.1 * SIZE


def test_behind_a_router_that_masquerades(tmp_path: Path) -> None:
    """Who is behind it serves only others behind it, and fetches from anybody."""
    with hosts() as net, net.inside("s"), agents(net, ["c", "c", "s", "r"], tmp_path, OUTSIDE) as made:
        found = []
        for agent in made:
            agent.go()
            found.append(fetched(agent))
        # The second has the first beside it; the third reaches neither, the fourth reaches the third.
        assert found == [(0, SIZE), (SIZE, 0), (0, SIZE), (SIZE, 0)]
