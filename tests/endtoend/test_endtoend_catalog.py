"""Answers of a real catalog server and a real manager, as the pool reads them."""
from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from clusters import Cluster
from flows import Flow
from pools import PROJECT, Catalog, start_manager

from mfmesos.core.model import Resources
from mfmesos.engines.catalog import from_catalog
from mfmesos.engines.manager import Answer, ask


def test_the_real_programs(tmp_path: Path, embedded_mesos: Cluster, catalog: Catalog) -> None:
    """A real catalog_server reports what a real makeflow -T wq needs, and the manager itself reports the same."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("Makeflow", "".join(f"CORES=2\nMEMORY=300\nDISK=50\no{i}:\n\techo {i} > o{i}\n\n" for i in range(3)))
    manager = start_manager(flow, catalog)
    try:
        told = asyncio.run(from_catalog("127.0.0.1", catalog.port)).managers
        assert [(m.project, m.tasks_waiting, m.largest) for m in told] == [(PROJECT, 3, Resources(2, 300, 50))]
        assert asyncio.run(ask(told[0].host, told[0].port)) == Answer(told[0], {})
    finally:
        manager.send_signal(signal.SIGINT)
        flow.end(manager, 30)
