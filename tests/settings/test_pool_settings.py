"""pool.json and the command line's settings."""
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import Resources
from mfmesos.settings.config import ConfigError
from mfmesos.settings.pool_settings import PoolSettings, as_json, parse, read
from mfmesos.settings.worker_options import WorkerOptions
from mfmesos.shares.pool_values import ProjectSettings

BASE = PoolSettings({"p": ProjectSettings()}, catalog="c:1")


def test_the_file_wins(tmp_path: Path) -> None:
    """What pool.json names overrides the command line; what it does not name stays."""
    file = tmp_path / "pool.json"
    assert read(file, BASE) == BASE
    file.write_text('{"idle": 3, "projects": {"q": {"min": 1, "max": 2, "weight": 3, "max_cores": 8,'
                    ' "worker": {"cores": 2, "memory": 300, "disk": 400}}}}')
    assert read(file, BASE) == PoolSettings(
        {"q": ProjectSettings(1, 2, 3.0, 8.0, Resources(2, 300, 400))}, catalog="c:1", idle_s=3)


def test_the_first_that_matches() -> None:
    """A project's bounds are those of the first pattern that matches its whole name."""
    its = PoolSettings({"a.*": ProjectSettings(1), "ab": ProjectSettings(2), "b": ProjectSettings(3)})
    assert [one and one.min_workers for one in map(its.of, ("ab", "b", "bb"))] == [1, 3, None]


@pytest.mark.parametrize(("text", "line"), [
    ("{", "pool.json:1: not JSON (Expecting property name enclosed in double quotes at column 2); correct it"),
    ("[" * 100_000, "pool.json: not JSON; correct it"),
    ("[]", "pool.json:1: pool.json: write an object with projects, catalog"),
    ('{\n"catalogue": "h:1"}', "pool.json:2: catalogue: unknown; did you mean 'catalog'?"),
    ('{"projects": []}', 'pool.json:1: projects: write {"NAME": {"max": 10}}'),
    ('{"projects": {"p":\n{"max": -1}}}', "pool.json:2: p.max: '-1' is not a number from 0 to"),
    ('{"projects": {"p": {"max": 1.5}}}', "p.max: 1.5 is not a whole number"),
    ('{"projects": {"p": {"weight": 0}}}', "p.weight: '0' is not a number from 0.001 to"),
    ('{"projects": {"p": {"min": true}}}', "p.min: 'True' is not a number"),
    ('{"projects": {"p": {"min": 3, "max": 2}}}', "p.min: more than max (2)"),
    ('{"projects": {"p": {"worker": {}}}}', "p.worker: it is empty; write"),
    ('{"worker": [3]}', "worker: write one string, or a list of strings"),
    ('{"env": ["A"]}', "env: write one string, or a list of strings"),
    ('{"transfer_port": "9:8"}', "transfer_port: write one string"),
    ('{"projects": {"p(": {}}}', "p(: not a regular expression"),
    ('{"catalog": "h:x"}', "catalog: 'h:x': 'x' is not a port"),
    ('{"catalog": 3}', "catalog: write one string"), ('{"ssl": 1}', "ssl: write true or false")])
def test_what_cannot_be(tmp_path: Path, text: str, line: str) -> None:
    """One line that names the file, the line and the cure."""
    file = tmp_path / "pool.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(file, BASE)
    assert line in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no text are one line, too."""
    (tmp_path / "pool.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "pool.json", BASE)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["min", "max", "weight", "max_cores", "worker", "cores", "memory", "disk", "p"]), inner,
        max_size=4))


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(
    st.sampled_from(["projects", "catalog", "manager", "worker", "password", "ssl", "idle"]), VALUES))
def test_any_object(tmp_path: Path, said: dict[str, object]) -> None:
    """Any content gives either settings that can be handed on, or one line."""
    file = tmp_path / "pool.json"
    file.write_text(json.dumps(said))
    problem = ""
    try:
        found = read(file, BASE)
    except ConfigError as e:
        problem = str(e)
    assert problem.startswith(str(file)) if problem else parse(as_json(found), PoolSettings()) == found


def test_options_are_defaults_for_the_file_s_projects(tmp_path: Path) -> None:
    """What a project of pool.json does not name is what the command line says, also after another life of the pool."""
    given = ProjectSettings(2, 5, worker=Resources(2), tasks_per_worker=3, workers_per_cycle=7)
    base = PoolSettings(catalog="c:1", default=given)
    file = tmp_path / "pool.json"
    file.write_text('{"projects": {"q": {"max": 9}, "r": {"worker": {"memory": 300}}}}')
    found = read(file, base)
    assert found.projects == {"q": replace(given, max_workers=9), "r": replace(given, worker=Resources(0, 300))}
    assert read(file, parse(as_json(base), PoolSettings())) == found


def test_worker_options_of_the_file() -> None:
    """They are read, and written as they are read."""
    given = {"feature": ["gpu-a100"], "env": ["A=1"], "wrapper": "nice", "extra_options": "--single-shot",
             "transfer_port": "9000:9010", "worker": ["a", "b"], "password": "/pw", "factory_timeout": 60}
    found = parse(given, BASE)
    assert found.options == WorkerOptions(("gpu-a100",), ("A=1",), "nice", (), "", "--single-shot", "9000:9010")
    assert (found.workers, found.passwords, found.factory_timeout_s) == (("a", "b"), ("/pw",), 60)
    assert parse(as_json(found), PoolSettings()) == found


def test_a_factory_s_configuration_file() -> None:
    """What users have from cctools' factories is read; what the pool cannot do is refused by name."""
    given = {"manager-name": "my_.*", "max-workers": 20, "min-workers": 2, "cores": 4, "memory": 4000, "timeout": 60,
             "workers-per-cycle": 5, "factory-timeout": 100, "worker-extra-options": "-d all", "transfer-port": "9000",
             "condor-requirements": "X", "capacity": 1, "foremen-name": "fore"}
    found = parse(given, BASE)
    its = ProjectSettings(2, 20, worker=Resources(4, 4000), workers_per_cycle=5, capacity=True)
    assert found.projects == {"my_.*": its}
    assert (found.foremen, found.of("fore"), found.of("other")) == ("fore", its, None)
    assert parse(as_json(found), PoolSettings()) == found
    assert (found.idle_s, found.factory_timeout_s) == (60, 100)
    assert (found.options.extra_options, found.options.transfer_port) == ("-d all", "9000")
    assert parse({"cores": 2}, PoolSettings()).default == ProjectSettings(worker=Resources(2))
    assert parse({"manager-name": "p", "workers-blocked": "host other"}, BASE).blocked == ("host", "other")
    with pytest.raises(ValueError, match="amazon-config: unknown"):
        parse({"manager-name": "p", "amazon-config": "x"}, BASE)
