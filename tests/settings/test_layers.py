"""Settings by layer: what counts more, what each file may say, and what is said about mistakes."""
from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mfmesos.cli import command_line, layered
from mfmesos.cli.command_line import main
from mfmesos.settings import layers
from mfmesos.settings.config import ConfigError
from mfmesos.settings.layers import LIMITS, OF_FOLDERS, Layers, users_file

KEYS = {"master", "max-cores", "retries", "plain"}


class Place:
    """A site's file, a user's and that of a folder."""

    def __init__(self, path: Path) -> None:
        self.site, self.home, self.folder = path / "site.toml", path / "home", path / "flow"
        self.folder.mkdir()
        self.environ = {"XDG_CONFIG_HOME": str(self.home)}

    def write(self, site: str = "", user: str = "", folder: str = "") -> None:
        users_file(self.environ).parent.mkdir(parents=True, exist_ok=True)
        for path, text in ((self.site, site), (users_file(self.environ), user), (self.folder / "mfmesos.toml", folder)):
            path.write_text(text)

    def layers(self, known=KEYS, **environ: str) -> Layers:
        return Layers(known, self.folder, {**self.environ, **environ}, self.site)

    def invoke(self, monkeypatch: pytest.MonkeyPatch, *argv: str):
        monkeypatch.setattr(layers, "SITE", self.site)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(self.home))
        monkeypatch.chdir(self.folder)
        return CliRunner().invoke(main, argv)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_later_layer_counts_more(place):
    """Site, user, folder, environment; an empty variable is none, and a file that is missing says nothing."""
    assert place.layers().of("max-cores") is None
    place.write("max-cores = 1\nretries = 1\nmaster = 'a:1'\nplain = true", "max_cores = 2\nretries = 2",
                "max-cores = 3")
    found = place.layers(MFMESOS_RETRIES="7", MFMESOS_MASTER="")
    shown = [(found.of(key).value, Path(found.of(key).source).name)
             for key in ("max-cores", "retries", "master", "plain")]
    assert shown == [(3, "mfmesos.toml"), ("7", "MFMESOS_RETRIES"), ("a:1", "site.toml"), (True, "site.toml")]


@pytest.mark.parametrize(("files", "said"), [
    ({"user": "max-core = 2"}, "unknown setting 'max-core'; the nearest is 'max-cores'"),
    ({"site": "[limits]\nmax-cor = 2"}, "the nearest is 'max-cores'"),
    ({"user": "[limits]\nmax-cores = 2"}, "unknown setting 'limits'"),
    ({"user": "max-cores = "}, "cannot read these settings"),
    ({"site": "limits = 3"}, "limits is not a table")])
def test_mistakes_are_named(place, files, said):
    place.write(**files)
    with pytest.raises(ConfigError) as error:
        place.layers()
    assert said in str(error.value)


def test_a_workflows_file_sets_little(place):
    """Nothing that names a host, a user, a file, an URI or a command; all other settings are refused, by name."""
    for key in sorted(layered._KNOWN - OF_FOLDERS):
        place.write(folder=f"{key} = 'x'")
        with pytest.raises(ConfigError, match=f"may not set {key}"):
            place.layers(layered._KNOWN)
    assert {
        "master", "role", "user", "principal", "secret-file", "listen", "advertise", "executor-uri", "history",
        "at-end", "shared-fs", "peer-transfers"} <= layered._KNOWN - OF_FOLDERS
    assert layered._KNOWN >= OF_FOLDERS | LIMITS


def test_config_says_where_each_value_comes_from(place, monkeypatch):
    """With the command line's own conversions."""
    place.write("role = 'science'\n[limits]\nmax-memory = 5000", "order = 'fair'", "retries = 3")
    monkeypatch.setenv("MFMESOS_MAX_CORES", "8")
    done = place.invoke(monkeypatch, "config")
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line.split()[1:] for line in done.output.splitlines()}
    assert rows["role"] == ["science", str(place.site)]
    assert rows["max-memory"] == ["5000", str(place.site)]
    assert rows["order"] == ["fair", str(users_file(place.environ))]
    assert rows["retries"] == ["3", str(place.folder / "mfmesos.toml")]
    assert rows["max-cores"] == ["8", "MFMESOS_MAX_CORES"]
    assert rows["master"] == ["local", "default"]
    assert rows.keys() == layered._KNOWN


@pytest.mark.parametrize(("files", "argv", "said"), [
    ({"user": "order = 'best'"}, (), "order: 'best' is not one of"),
    ({"user": "retries = -1"}, (), "retries: "),
    ({"user": "plain = 3"}, (), "neither true nor false"),
    ({"user": "shared-fs = 3"}, (), "is not a list"),
    ({"site": "[limits]\nretries = 2"}, ("--retries", "3"), "command line: retries is 3, but the site's limit is 2"),
    ({"site": "[limits]\nretries = 2", "user": "retries = 9"}, (), "the site's limit is 2")])
def test_a_run_does_not_start_with_a_bad_setting(place, monkeypatch, files, argv, said):
    """One line that names the source."""
    place.write(**files)
    (place.folder / "tasks.jsonl").write_text('{"command": "true"}\n')
    done = place.invoke(monkeypatch, "run", *argv, "-n", ".")
    assert done.exit_code == 1
    assert said in done.output
    assert done.output.count("\n") == 1


def test_the_command_line_counts_most(place, monkeypatch):
    """And the folder is that of the task file."""
    seen = {}
    monkeypatch.setattr(command_line, "scheduler_config", lambda workdir, options, **more: seen.update(options, **more))
    monkeypatch.setattr(command_line, "_guarded", lambda *call, **how: None)
    (place.folder / "tasks.jsonl").write_text('{"command": "true"}\n')
    place.write(user="retries = 1\nmax-cores = 4\nshared-fs = ['/usr']", folder="retries = 2\nkeep-going = true")
    (place.folder / "other").mkdir()
    place.folder, flow = place.folder / "other", place.folder
    done = place.invoke(monkeypatch, "run", "--max-cores", "6", str(flow / "tasks.jsonl"))
    assert done.exit_code == 0, done.output
    assert (seen["retries"], seen["max_cores"], seen["shared_fs"], seen["master"]) == (2, 6, ["/usr"], "local")
