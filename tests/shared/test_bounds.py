"""Every number that a user can give is within bounds, wherever it is given, and reported in one line otherwise."""
from __future__ import annotations

import json
import re

import click
import pytest
from click.testing import CliRunner

from mfmesos.cli.command_line import main
from mfmesos.cli.number_options import Number
from mfmesos.settings.config import ConfigError, SchedulerConfig
from mfmesos.settings.pool_settings import PoolSettings, parse
from mfmesos.shared import bounds
from mfmesos.shared.bounds import Bounds
from mfmesos.taskfiles.entries import Malformed
from mfmesos.taskfiles.jsonlines import JsonLinesParser
from mfmesos.taskfiles.taskfile import TaskInfoParser

NEVER = ["nan", "inf", "-inf", "1e300", "-1", "x", ""]
SIGNED = ("--priority",)
PATHS = {"run": ["."], "history import": ["."], "clean": ["."], "link": ["."], "unlink": ["."], "retry": ["1"],
         "set": ["1"]}


def commands(group: click.Group, before: str = "") -> list[tuple[str, click.Command]]:
    found = []
    for name, command in sorted(group.commands.items()):
        path = f"{before} {name}".strip()
        found += commands(command, path) if isinstance(command, click.Group) else [(path, command)]
    return found


def numeric() -> list[tuple[str, str]]:
    """(command, option) of each option that takes a number."""
    kinds = (Number, click.types.IntParamType, click.types.FloatParamType)
    return [(path, option.opts[0]) for path, command in commands(main)
            for option in command.params if isinstance(option, click.Option) and isinstance(option.type, kinds)
            and not option.is_flag and not option.count]


def test_there_are_options_with_numbers():
    """The list below is not empty by mistake."""
    assert ("run", "--claim-idle") in numeric()
    assert ("pool", "--idle") in numeric()
    assert ("cluster", "--mem") in numeric()
    assert len(numeric()) >= 25


@pytest.mark.parametrize(("path", "option"), numeric(), ids=lambda text: text)
def test_an_option_takes_no_number_beyond_its_bounds(path, option, tmp_path, monkeypatch):
    """Not a number, infinite, absurd or negative: refused as bad usage in one line that names the option."""
    monkeypatch.chdir(tmp_path)
    for value in (one for one in NEVER if one != "-1" or option not in SIGNED):
        ended = CliRunner().invoke(main, [*path.split(), f"{option}={value}", *PATHS.get(path, [])])
        assert ended.exit_code == 2, (value, ended.output)
        line = ended.output.strip().splitlines()[-1]
        assert re.search(rf"Invalid value for '(-\w, )?{option}'", line) or option in line, line


def test_bounds():
    """Their ends are in, but for those above which a value must lie; true and false are no numbers."""
    within = Bounds(0, 10)
    assert [v for v in (0, 10, 5.5, -0.1, 10.1, True, "5", None, float("nan")) if within.holds(v)] == [0, 10, 5.5]
    assert not Bounds(0, 10, above=True).holds(0)
    assert Bounds(0, 10, whole=True).holds(5.0)
    assert not Bounds(0, 10, whole=True).holds(5.5)
    assert str(bounds.RETRY_BUDGET) == "a number above 0 and up to 100"


@pytest.mark.parametrize("name", bounds.SETTINGS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1e300, "5", True])
def test_a_settings_file_holds_no_number_beyond_its_bounds(name, value, tmp_path):
    """A scheduler's settings that were edited: refused with file, setting and cure."""
    path = tmp_path / "config.json"
    config = SchedulerConfig(str(tmp_path))
    config.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(ConfigError, match=f"config.json: {name} is .*, but must be a"):
        SchedulerConfig.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1e300, "5", True])
@pytest.mark.parametrize("said", [
    lambda v: {"idle": v},
    *(lambda v, key=key: {"projects": {"p": {key: v}}} for key in ("min", "max", "weight", "max_cores")),
    *(lambda v, key=key: {"projects": {"p": {"worker": {"cores": 1, "memory": 1, "disk": 1, key: v}}}}
      for key in ("cores", "memory", "disk", "gpus"))])
def test_pool_json_holds_no_number_beyond_its_bounds(said, value):
    """Each invalid number in pool.json is refused."""
    with pytest.raises(ValueError, match="is not a number from"):
        parse(said(value), PoolSettings())


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "-2", "1e300", "true", '"1"', "[1]"])
@pytest.mark.parametrize("key", ["cores", "memory", "disk", "gpus", "wall_time"])
def test_a_task_of_json_asks_for_no_number_beyond_its_bounds(key, value, tmp_path):
    """The task is refused, with the line."""
    (record,) = JsonLinesParser(tmp_path).feed(f'{{"command": "x", "{key}": {value}}}\n'.encode())
    assert isinstance(record, Malformed)


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "-2", "1" + "0" * 300, "true", "0x10"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_record_asks_for_no_number_beyond_its_bounds(place, value, tmp_path):
    """The same for mesos_task_info."""
    numbers = ["-1"] * 3
    numbers[place] = value
    parser = TaskInfoParser(tmp_path)
    records = [*parser.feed(f"1,x,,o,{','.join(numbers)},submitted\n".encode()), *parser.finish()]
    assert [type(r) for r in records] == [Malformed]
