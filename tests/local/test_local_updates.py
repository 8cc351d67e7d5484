"""The update manager of the embedded cluster."""
from __future__ import annotations

import asyncio

from mfmesos.local.updates import UpdateManager


def test_updates_are_repeated_until_acknowledged():
    """One at a time for each task, again after the pause, never after the acknowledgement."""
    async def check():
        sent = []
        manager = UpdateManager(lambda f, s, latest: sent.append((s["uuid"], latest)), retry_s=0.02)
        for uuid, state in (("1", "TASK_RUNNING"), ("2", "TASK_FINISHED")):
            manager.add("f", {"task_id": {"value": "t"}, "uuid": uuid, "state": state})
        await asyncio.sleep(0.05)
        assert {u for u, _ in sent} == {"1"}
        assert len(sent) >= 2
        assert sent[-1][1] == "TASK_FINISHED"
        assert manager.acknowledge("f", "t", "2") is None
        assert manager.acknowledge("f", "t", "1")["uuid"] == "1"
        assert sent[-1][0] == "2"
        assert manager.acknowledge("f", "t", "2")
        count = len(sent)
        await asyncio.sleep(0.05)
        assert len(sent) == count
        assert not manager.pending("f", "t")

    asyncio.run(check())
