"""The catalog's records and a manager's own answer, as recorded from cctools 8.0.0 and from the real programs."""
from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import free_port

from mfmesos.core.model import Resources
from mfmesos.engines.catalog import Found, SourceError, from_catalog, manager_of, parse
from mfmesos.engines.manager import Gone, ask
from mfmesos.shares.pool_values import ManagerStatus

HERE = Path(__file__).parent
ONE = Resources(1, 200, 100)


def test_a_recorded_catalog() -> None:
    """makeflow's own record is not taken for a manager; what tasks ask for and the largest one are read."""
    found = parse((HERE / "catalog-debian.json").read_bytes(), "catalog h:1")
    assert found == Found((ManagerStatus("poolm", "127.0.0.1", 1025, 6, 0, ONE * 6, ONE, capacity=10),))


def test_a_recorded_status() -> None:
    """A manager's own answer, with a worker of 2 cores; its workers go to where it was asked."""
    found = parse((HERE / "status-debian.json").read_bytes(), "manager m:7", ("m", 7))
    assert found.managers == (
        ManagerStatus("poolm", "m", 7, 4, 2, ONE * 6, ONE, 1, Resources(2, 500, 300), capacity=10),)


@pytest.mark.parametrize(("name", "worker", "protocol"), [
    ("taskvine-main", "vine_worker", 13), ("workqueue-main", "work_queue_worker", 11)])
def test_the_largest_task_of_todays_managers(name: str, worker: str, protocol: int) -> None:
    """No category "whole queue": three tasks of 4 cores, two without a request and one of at most 2 cores are at least
    as large as their mean; the record names the protocol."""
    found = parse((HERE / f"status-waiting-{name}.json").read_bytes(), "manager m:7", ("m", 7)).managers[0]
    assert (found.tasks, found.wanted, found.largest) == (6, Resources(13, 1200, 300), Resources(3, 200, 50))
    assert (found.worker, found.protocol, found.ssl) == (worker, protocol, False)


def test_running_tasks_are_no_part_of_the_mean() -> None:
    """Four waiting tasks request 8 cores; what the running one has is left out."""
    found = parse((HERE / "status-taskvine-main.json").read_bytes(), "manager m:7", ("m", 7)).managers[0]
    assert (found.wanted.cores, found.tasks_waiting, found.largest) == (12, 4, Resources(2, 200, 50))


@pytest.mark.parametrize(("blocked", "hosts"), [
    (["b.org", "a"], ("a", "b.org")), (3, ()), (None, ()), ([7, "a b", "-x;", "a"], ("a",))])
def test_blocked_hosts(blocked: object, hosts: tuple[str, ...]) -> None:
    """Names of hosts; of old managers their number, which says nothing; anything else is left out."""
    assert manager_of({"type": "vine_manager", "project": "p", "workers_blocked": blocked}, ("h", 1)).blocked == hosts


@pytest.mark.parametrize(("category", "largest"), [
    ({"max_cores": "4.000", "max_memory": "na"}, Resources(4, 50)), ({"max_memory": "~300"}, Resources(1, 300)),
    ({"max_memory": ">300"}, Resources(1, 300)), ({"tasks_waiting": 0, "max_cores": "4.000"}, Resources(1, 50)),
    ({"max_memory": "~300", "first_allocation": {"memory": 200}}, Resources(1, 200)),
    ({"max_memory": "~300", "first_allocation": {"memory": 900}}, Resources(1, 300)),
    ({"max_memory": "~300", "first_allocation": {"memory": 200}, "max_allocation_count": 1}, Resources(1, 300)),
    ({"max_memory": "300", "first_allocation": {"memory": 200}}, Resources(1, 300)),
    ({"category": "whole queue", "max_cores": "8"}, Resources(8))])
def test_maxima_of_categories(category: dict[str, object], largest: Resources) -> None:
    """Declared or measured, where tasks of the category wait; what a manager has learned to give them first, as long as
    that was enough; Debian's category of the whole queue decides alone."""
    record = {"type": "vine_manager", "project": "p", "tasks_waiting": 2, "tasks_total_cores": 2,
              "tasks_total_memory": 100, "categories": [{"category": "c", "tasks_waiting": 2, **category}]}
    assert manager_of(record, ("h", 1)).largest == largest


@pytest.mark.parametrize(("kind", "memory_mb"), [("taskvine", 637), ("workqueue", 52)])
def test_a_recorded_category_that_is_measured(kind: str, memory_mb: float) -> None:
    """Tasks that request nothing are as large as the largest that the resource monitor has seen. TaskVine gives them
    that first; Work Queue gives each a whole worker until it has measured many."""
    record = json.loads((HERE / f"status-measured-{kind}-main.json").read_text())[0]
    status = manager_of(record, ("h", 1))
    assert (status.largest.memory_mb, status.whole_workers) == (memory_mb, kind == "workqueue")
    record["categories"][0]["first_allocation"]["memory"] = memory_mb - 1
    assert not manager_of(record, ("h", 1)).whole_workers
    requested = json.loads((HERE / f"status-{kind}-main.json").read_text())[0]
    assert not manager_of(requested, ("h", 1)).whole_workers


@pytest.mark.parametrize(("said", "ssl"), [(True, True), (False, False), ("true", False)])
def test_tls_by_the_record(said: object, ssl: bool) -> None:
    """Today's managers report whether they accept TLS connections only."""
    record = json.loads((HERE / "status-taskvine-main.json").read_text())[0]
    assert manager_of({**record, "ssl": said}, ("h", 1)).ssl is ssl


def test_a_recorded_catalog_of_today() -> None:
    """Both managers are found, with what they need."""
    found = parse((HERE / "catalog-main.json").read_bytes(), "catalog h:1").managers
    assert {(m.project, m.worker, m.tasks_waiting, m.largest.cores) for m in found} == {
        ("rec-vine", "vine_worker", 6, 3), ("rec-wq", "work_queue_worker", 6, 3)}


@pytest.mark.parametrize(("change", "line"), [
    ({"port": 0}, "port is 0"), ({"port": "x\n"}, "port is 'x\\n'"), ({"project": 5}, "project is 5"),
    ({"project": "a\nb"}, "project is 'a\\nb'"), ({"address": "$(reboot)", "name": "-x"}, "neither address"),
    ({"tasks_waiting": "many"}, "tasks_waiting is 'many'"), ({"tasks_waiting": 1e300}, "tasks_waiting is 1e+300"),
    ({"tasks_total_cores": [1]}, "tasks_total_cores is [1]")])
def test_hostile_records(change: dict[str, object], line: str) -> None:
    """An invalid record is left out with one line that names the field; the others stay."""
    good = {"type": "wq_manager", "project": "p", "address": "10.0.0.1", "port": 9123}
    found = parse(json.dumps([{**good, **change}, good, "x", {"type": "chirp"}]).encode(), "catalog h:1")
    assert [m.key for m in found.managers] == ["p 10.0.0.1:9123"]
    assert len(found.ignored) == 1
    assert found.ignored[0].startswith("catalog h:1: record 1 is ignored: ")
    assert line in found.ignored[0]


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))
FIELDS = st.dictionaries(st.sampled_from(["type", "project", "address", "name", "port", "tasks_waiting", "categories",
                                          "tasks_total_cores"]), JSON)


@given(st.lists(JSON | FIELDS, max_size=4))
def test_any_json(records: list[object]) -> None:
    """Whatever the catalog sends, parsing succeeds, and each message is one line."""
    for line in parse(json.dumps(records).encode(), "c").ignored:
        assert line.isprintable()


@given(st.binary(max_size=60))
def test_any_bytes(body: bytes) -> None:
    """What is no list of records is one line."""
    said = ""
    try:
        parse(body, "c")
    except SourceError as e:
        said = str(e)
    assert not said or (said.startswith("c: its answer is no") and said.isprintable())


@given(FIELDS)
def test_any_record(record: dict[str, object]) -> None:
    """A record is read, or refused with a ValueError of one line."""
    said = ""
    try:
        manager_of(record)
    except ValueError as e:
        said = str(e)
    assert not said or said.isprintable()


def test_nobody_there() -> None:
    """A catalog or a manager that is down is named in one line."""
    port = free_port()
    with pytest.raises(SourceError, match=f"catalog 127.0.0.1:{port}: "):
        asyncio.run(from_catalog("127.0.0.1", port))
    with pytest.raises(Gone, match=f"manager 127.0.0.1:{port}: nothing is listening"):
        asyncio.run(ask("127.0.0.1", port))
