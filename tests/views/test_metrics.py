"""Metrics of a run, read back by Prometheus's own parser."""
from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from mfmesos.views import metrics

LIVE = {
    "engine": "batch", "started": 1000.5, "connected": True, "claims": 2, "held": {"cores": 4.0, "memory_mb": 100.0},
    "agents": 3, "cores": 12.0, "memory_mb": 3000.0,
    "counts": {"waiting": 5, "running": 4, "finished": 3, "failed": 2, "withdrawn": 1, "left_s": 60.0}}


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    return {sample.name: {tuple(one.labels.values()): one.value for one in family.samples if one.name == sample.name}
            for family in text_string_to_metric_families(text) for sample in family.samples}


def test_a_live_run():
    """Base units, and labels of few values."""
    found = read(metrics.text(LIVE, 77, 'a "flow"\n'))
    assert found["mfmesos_up"] == {(): 1.0}
    assert found["mfmesos_run_info"] == {("batch", 'a "flow"\n'): 1.0}
    assert found["mfmesos_tasks"] == {
        ("waiting",): 5.0, ("running",): 4.0, ("finished",): 3.0, ("failed",): 2.0, ("withdrawn",): 1.0}
    assert found["mfmesos_sent_bytes_total"] == {(): 77.0}
    assert found["mfmesos_held_memory_bytes"] == {(): 100.0 * 2**20}
    assert found["mfmesos_left_seconds"] == {(): 60.0}


def test_a_run_without_its_scheduler():
    """Nothing about the cluster, which is unknown."""
    found = read(metrics.text({**LIVE, "counts": {"finished": 9}}, 0, "flow", up=False))
    assert found["mfmesos_up"] == {(): 0.0}
    assert found["mfmesos_tasks"][("finished",)] == 9.0
    assert "mfmesos_held_cores" not in found


def test_categories_are_bounded():
    """Those with few tasks are summed up."""
    ended = [(f"c{n}", "finished", 1000 - n, 2.0, 3.0) for n in range(300)]
    found = read(metrics.text(LIVE, 0, "flow", ended))
    tasks = found["mfmesos_category_tasks_total"]
    assert len(tasks) == metrics.MOST_CATEGORIES + 1
    assert sum(tasks.values()) == sum(n for _, _, n, _, _ in ended)
    assert found["mfmesos_category_cpu_seconds_total"][("other", "finished")] == 400.0
