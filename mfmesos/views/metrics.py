"""A run as metrics for Prometheus. Names and labels are stable (docs/seeing.md); none is of a single task."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MB = 2**20
MOST_CATEGORIES = 100
"""The others are summed up as "other"."""
STATES = ("waiting", "running", "finished", "failed", "withdrawn")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Ended = Sequence[tuple[str, str, int, float, float]]
"""Category, state, tasks, their CPU and run time in seconds."""


def text(live: Mapping[str, Any], sent_bytes: int, workflow: str, ended: Ended = (), up: bool = True) -> str:
    """`live`: the scheduler's status (see scheduler.questions) or, where it is not `up`, what the record knows."""
    registry = CollectorRegistry()
    registry.register(_Found(live, sent_bytes, workflow, ended, up))
    return generate_latest(registry).decode()


class _Found(Collector):
    def __init__(self, live: Mapping[str, Any], sent_bytes: int, workflow: str, ended: Ended, up: bool) -> None:
        self._live, self._sent, self._workflow, self._ended, self._up = live, sent_bytes, workflow, ended, up

    def collect(self) -> Iterator[Metric]:
        live = self._live
        yield _gauge("mfmesos_up", "Whether the scheduler of the run answers.", self._up)
        info = GaugeMetricFamily("mfmesos_run_info", "The run.", labels=("workflow", "engine"))
        info.add_metric((self._workflow, str(live["engine"])), 1)
        yield info
        yield _gauge("mfmesos_run_start_time_seconds", "Its begin, since the epoch.", live["started"])
        tasks = GaugeMetricFamily(
            "mfmesos_tasks", "Tasks by state; finished ones also of earlier runs.", labels=("state",))
        for state in STATES:
            tasks.add_metric((state,), live["counts"].get(state, 0))
        yield tasks
        yield CounterMetricFamily("mfmesos_sent_bytes", "Inputs sent by the scheduler.", value=self._sent)
        if self._up:
            yield from _of_cluster(live)
        if self._ended:
            yield from _by_category(self._ended)


def _of_cluster(live: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("mfmesos_connected", "Whether the master is reachable.", live["connected"])
    yield _gauge("mfmesos_claims", "Claims of the run.", live["claims"])
    yield _gauge("mfmesos_held_cores", "Cores in its claims.", live["held"]["cores"])
    yield _gauge("mfmesos_held_memory_bytes", "Memory in its claims.", live["held"]["memory_mb"] * MB)
    yield _gauge("mfmesos_cluster_agents", "Agents of the cluster.", live["agents"])
    yield _gauge("mfmesos_cluster_cores", "Cores that they could give to tasks.", live["cores"])
    yield _gauge("mfmesos_cluster_memory_bytes", "Memory of the same.", live["memory_mb"] * MB)
    if live["counts"]["left_s"] is not None:
        yield _gauge("mfmesos_left_seconds", "Predicted time to the end of the run.", live["counts"]["left_s"])


def _by_category(ended: Ended) -> Iterable[Metric]:
    sums: dict[str, int] = {}
    for category, _, count, _, _ in ended:
        sums[category] = sums.get(category, 0) + count
    shown = set(sorted(sums, key=lambda name: -sums[name])[:MOST_CATEGORIES])
    total: dict[tuple[str, str], list[float]] = {}
    for category, state, *amounts in ended:
        one = total.setdefault((category if category in shown else "other", state), [0.0, 0.0, 0.0])
        for n, amount in enumerate(amounts):
            one[n] += amount or 0.0
    families = [
        CounterMetricFamily("mfmesos_category_tasks", "Ended tasks.", labels=("category", "state")),
        CounterMetricFamily("mfmesos_category_cpu_seconds", "CPU time of their last attempts.",
                            labels=("category", "state")),
        CounterMetricFamily("mfmesos_category_run_seconds", "Run time of the same.", labels=("category", "state"))]
    for labels, values in sorted(total.items()):
        for family, amount in zip(families, values):
            family.add_metric(labels, amount)
    return families


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=float(value))
