"""Files of clusters and workloads: what they mean, and what is said of wrong ones."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import mfmesos.simulate
from mfmesos.core.model import Request, Resources
from mfmesos.settings.config import ConfigError
from mfmesos.simulate.cluster_files import load_cluster
from mfmesos.simulate.mix_workload import rounded_up
from mfmesos.simulate.workload_files import load_workload

SHIPPED = Path(mfmesos.simulate.__file__).parent
AGENT = {"cores": 4, "memory_mb": 4096}


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("clusters/*.json")), ids=lambda p: p.stem)
def test_clusters_that_come_along(path):
    """Each loads by its name."""
    assert load_cluster(path.stem).total().cores > 0


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("workloads/*.json")), ids=lambda p: p.stem)
def test_workloads_that_come_along(path):
    """Each loads by its name, and makes tasks."""
    assert next(iter(load_workload(path.stem, 1).tasks)).seconds > 0


def test_a_cluster(tmp_path):
    """All keys."""
    made = load_cluster(written(tmp_path, "c.json", {
        "agents": [{"count": 3, **AGENT, "others": {"licences": 2}}], "costs": {"start_s": 2}, "weights": {"a": 2},
        "losses": {"every_s": 60}, "others": [{"name": "g", "manner": "greedy", "tasks": 5, "cores": 2},
                                                   {"name": "h", "start_s": 0.1}]}))
    assert made.count() == 3
    assert made.total() == Resources(12, 12288, 300000, 0, (("licences", 6.0),))
    assert (made.costs.start_s, made.losses.every_s, made.weights) == (2, 60, (("a", 2.0),))
    assert (made.rivals[0].suppresses, made.rivals[0].size.cores, made.rivals[0].tasks) == (False, 2, 5)
    assert [one.start_s for one in made.rivals] == [2, 0.1]


@pytest.mark.parametrize(("content", "message"), [
    ("{", r"c\.json:1: .*; correct the line"),
    ("[]", r"the content is \[\]; give an object"),
    ({}, "agents is missing; add the key"),
    ({"agents": []}, r"agents is \[\]; give at least one group"),
    ({"agents": [{"cores": "x", "memory_mb": 1}]}, r'agents\[0\]\.cores is "x"; give a number'),
    ({"agents": [{**AGENT, "core": 1}]}, r"agents\[0\]\.core is not a key here; the keys are .*cores"),
    ({"agents": [{**AGENT, "count": 0}]}, r"agents\[0\]\.count is 0; give a whole number from 1"),
    ({"agents": [AGENT], "weights": {"a": 0}}, r"weights\.a is 0"),
    ({"agents": [AGENT], "others": [{"name": "g", "manner": "rude"}]}, r'others\[0\]\.manner is "rude"; give greedy'),
    ({"agents": [AGENT], "costs": {"start": 1}}, r"costs\.start is not a key here; the keys are end_s"),
])
def test_wrong_clusters(tmp_path, content, message):
    """One line: the file, the key or the line, the value, and the cure."""
    with pytest.raises(ConfigError) as caught:
        load_cluster(written(tmp_path, "c.json", content))
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names():
    """The names that exist are listed."""
    with pytest.raises(ConfigError, match=r"nowhere is no file, and mfmesos has no cluster of that name; .*lab"):
        load_cluster("nowhere")
    with pytest.raises(ConfigError, match=r"no workload of that name; .*mix"):
        load_workload("../clusters/lab", 1)


MIX = {"tasks": 200, "categories": [
    {"name": "a", "share": 3, "cores": 2, "seconds": {"mean": 60, "sigma": 0.5},
     "memory_mb": {"median": 100, "drift": [1, 3], "per_input_mb": 10, "most": 900}, "input_mb": 5,
     "requests": {"memory_mb": "peak", "cores": 3}},
    {"name": "b", "memory_mb": {"median": 100, "modes": [1, 5]}}]}


def test_a_mix(tmp_path):
    """Categories by share, distributions, requests; the same tasks for the same seed."""
    path = written(tmp_path, "m.json", MIX)
    tasks = list(load_workload(path, 1).tasks)
    assert tasks == list(load_workload(path, 1).tasks)
    assert tasks != list(load_workload(path, 2).tasks)
    first, second = ([t for t in tasks if t.category == c] for c in "ab")
    assert len(first) + len(second) == 200
    assert 120 <= len(first) <= 180
    assert sum(t.seconds for t in first) / len(first) == pytest.approx(60, rel=0.3)
    assert [t.memory_mb for t in first] == sorted(t.memory_mb for t in first)
    assert all(t.request == Request(3.0, rounded_up(t.memory_mb)) for t in first)
    assert {t.memory_mb for t in second} == {100.0, 500.0}
    assert {t.request for t in second} == {Request(1.0)}


@pytest.mark.parametrize(("arrivals", "last"), [({}, (0, 0)), ({"per_s": 2}, (70, 130)),
                                                ({"burst": 50, "every_s": 10}, (30, 30))])
def test_arrivals(tmp_path, arrivals, last):
    """All at once, a Poisson process, bursts."""
    tasks = list(load_workload(written(tmp_path, "m.json", {**MIX, "arrivals": arrivals}), 1).tasks)
    assert last[0] <= tasks[-1].at_s <= last[1]
    assert [t.at_s for t in tasks] == sorted(t.at_s for t in tasks)


def test_a_request_is_rounded_up():
    """To two digits."""
    assert [rounded_up(x) for x in (0, 0.123, 1024, 1000, 99.9)] == pytest.approx([0, 0.13, 1100, 1000, 100])


def test_a_task_file(tmp_path):
    """The lines of mfmesos run, with what tasks will take; dependencies by files."""
    path = written(tmp_path, "t.jsonl", "# made by hand\n" + "\n".join(json.dumps(line) for line in (
        {"command": "make > a", "outputs": ["a"], "cores": 2, "seconds": 5, "peak_memory_mb": 70, "category": "make"},
        {"command": "use a", "inputs": ["a"], "seconds": 3, "at_s": 1, "used_cores": 3})))
    one, two = load_workload(path, 1).tasks
    assert (one.seconds, one.cores, one.memory_mb, one.category, one.request) == (5, 2, 70, "make", Request(2.0))
    assert (two.seconds, two.cores, two.parents, two.at_s) == (3, 3, (one.id,), 1)


@pytest.mark.parametrize(("line", "message"), [
    ({"command": "a"}, r"t\.jsonl:1: the task has no seconds"),
    ({"command": "a", "seconds": "x"}, r't\.jsonl:1: seconds is "x"; give a number'),
    ({"command": "", "seconds": 1}, r"t\.jsonl:1: .*command"),
    ({"command": "a", "secs": 1}, r"t\.jsonl:1: .*secs"),
    ("nonsense", r"t\.jsonl:1: "),
    ("", "no tasks"),
])
def test_wrong_task_files(tmp_path, line, message):
    """The line, and what is wrong with it."""
    text = line if isinstance(line, str) else json.dumps(line)
    with pytest.raises(ConfigError) as caught:
        load_workload(written(tmp_path, "t.jsonl", text), 1)
    assert re.search(message, str(caught.value)), str(caught.value)


def wfformat(**changes):
    return {"name": "w", "schemaVersion": "1.5", "workflow": {
        "specification": {
            "tasks": [{"name": "merge_ID3", "id": "merge_ID3", "parents": ["split_ID1"], "inputFiles": ["f"]},
                      {"name": "split_ID1", "id": "split_ID1", "children": ["merge_ID3"]}],
            "files": [{"id": "f", "sizeInBytes": 2 << 20}]},
        "execution": {"tasks": [
            {"id": "split_ID1", "runtimeInSeconds": 4.5, "coreCount": 2, "memoryInBytes": 100 << 20},
            {"id": "merge_ID3", "runtimeInSeconds": 7}]}}, **changes}


def test_wfformat(tmp_path):
    """Run times, cores, memory, input sizes and dependencies of WfCommons's workflows; parents come first."""
    split, merge = load_workload(written(tmp_path, "w.json", wfformat()), 1).tasks
    assert (split.category, split.seconds, split.cores, split.memory_mb) == ("split", 4.5, 2, 100)
    assert (merge.category, merge.seconds, merge.input_mb, merge.parents) == ("merge", 7, 2, (split.id,))
    with pytest.raises(ConfigError, match=r"WfFormat of version 1\.4; convert the file to version 1\.5"):
        load_workload(written(tmp_path, "w.json", wfformat(schemaVersion="1.4")), 1)
    with pytest.raises(ConfigError, match="neither a task mix nor a WfFormat workflow"):
        load_workload(written(tmp_path, "w.json", {}), 1)


def test_a_trace(tmp_path):
    """The traces of mfmesos estimates: arrivals, peaks, and what was declared."""
    path = written(tmp_path, "t.csv", "category,input_mb,declared_mb,peak_mb,seconds,submit_s\n"
                                      "late,3,500,200,9,12\nfirst,,500,100,8,10\n")
    first, late = load_workload(path, 1).tasks
    assert (first.category, first.at_s, first.memory_mb, first.request) == ("first", 0, 100, Request(1.0, 500.0))
    assert (late.at_s, late.input_mb) == (2, 3)
