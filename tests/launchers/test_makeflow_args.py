"""makeflow's command line as the launcher reads it."""
from __future__ import annotations

from pathlib import Path

import pytest

from mfmesos.launchers.makeflow_args import parse
from mfmesos.settings.config import ConfigError

CWD = Path("/w")


def test_batch_type_is_added() -> None:
    """-T mesos comes first unless it was given."""
    assert parse(["-J9", "-r", "2", "My.makeflow"], {}).argv == ["-T", "mesos", "-J9", "-r", "2", "My.makeflow"]
    assert parse(["-J9", "-Tmesos", "a"], {}).argv == ["-J9", "-Tmesos", "a"]
    assert parse(["-J9", "--batch-type=mesos", "a"], {}).argv == ["-J9", "--batch-type=mesos", "a"]


@pytest.mark.parametrize("argv", [["-J", "7"], ["-J7"], ["-zJ", "7"], ["--max-remote=7"], ["--max-r", "7"]])
def test_a_thousand_jobs_at_a_time_unless_it_is_said(argv: list[str]) -> None:
    """In every spelling of -J; makeflow's own default would leave a large cluster idle."""
    assert parse(["a"], {}).argv == ["-T", "mesos", "-J", "1000", "a"]
    assert "1000" not in parse([*argv, "a"], {}).argv


@pytest.mark.parametrize(("argv", "environ", "named"), [
    (["-T", "wq"], {}, "-T wq"), (["-Tlocal", "x"], {}, "-T local"), (["--batch-type", "condor"], {}, "-T condor"),
    ([], {"MAKEFLOW_BATCH_QUEUE_TYPE": "slurm"}, "MAKEFLOW_BATCH_QUEUE_TYPE=slurm")])
def test_another_batch_type_is_refused(argv: list[str], environ: dict[str, str], named: str) -> None:
    """Another -T, in any spelling or from the environment, is refused by name."""
    with pytest.raises(ConfigError, match=named):
        parse(argv, environ)


def test_what_breaks_the_start_is_dropped() -> None:
    """--mesos-path and --mesos-preload go, with their values, in both spellings; the rest stays in order."""
    args = parse(["--mesos-path", "/x", "-J", "3", "--mesos-preload=/y", "--mesos-master=h:5050/", "d"], {})
    assert args.argv == ["-T", "mesos", "-J", "3", "--mesos-master=h:5050/", "d"]
    assert args.dropped == ["--mesos-path", "--mesos-preload"]
    assert args.master == "h:5050"


def test_operands_are_told_from_values() -> None:
    """A value of an option is not taken for the workflow's file; options behind it count."""
    args = parse(["-l", "my.log", "sub/flow", "-zJ", "7", "--retry"], {})
    assert args.dagfile == "sub/flow"
    assert args.log_path(CWD) == Path("/w/my.log")


def test_an_operand_that_looks_like_an_option_stays_one() -> None:
    """Behind the -- that it came with, and that nothing else needs."""
    assert parse(["-J1", "--", "-odd"], {}).argv == ["-T", "mesos", "-J1", "--", "-odd"]
    assert parse(["-J1", "--", "plain"], {}).argv == ["-T", "mesos", "-J1", "plain"]


@pytest.mark.parametrize(("argv", "log"), [
    ([], "/w/Makeflow.makeflowlog"), (["sub/a.mf"], "/w/sub/a.mf.makeflowlog"), (["/d/a"], "/d/a.makeflowlog"),
    (["-X", "there", "a"], "/w/there/a.makeflowlog"), (["--makeflow-l=x", "a"], "/w/x"), (["--", "-odd"],
                                                                                          "/w/-odd.makeflowlog")])
def test_the_log_is_found(argv: list[str], log: str) -> None:
    """The makeflowlog lies where makeflow puts it: -l, -X and abbreviated options included."""
    assert parse(argv, {}).log_path(CWD) == Path(log)


@pytest.mark.parametrize("argv", [["--help"], ["-v"], ["-c"], ["--clean=outputs", "d"], ["-call", "d"]])
def test_what_runs_nothing_is_passed_on_unchanged(argv: list[str]) -> None:
    """--help, --version and --clean need no scheduler and no -T."""
    args = parse(argv, {})
    assert args.starts_nothing
    assert args.argv == argv


def test_missing_value() -> None:
    """An option without its value is named."""
    with pytest.raises(ConfigError, match="--makeflow-log"):
        parse(["--makeflow-log"], {})


def test_arguments_from_a_file(tmp_path: Path) -> None:
    """--argv FILE: the options in the file count, and the file's arguments take the option's place."""
    (tmp_path / "a.json").write_text(
        f'''{{"makeflow-log": "x.log", "jx": null, "MAKEFLOW": "flow", "wq-fast-abort": 2.5, "debug": "wq",
             "argv": "{tmp_path}/b.json", "cache": true, "debug": "batch"}}''')
    (tmp_path / "b.json").write_text('{"retry-count": 3, "clean": "all"}')
    args = parse([f"--argv={tmp_path / 'a.json'}", "-J", "1"], {})
    assert args.log_path(CWD) == Path("/w/x.log")
    assert args.starts_nothing
    (tmp_path / "b.json").write_text('{"retry-count": 3}')
    args = parse([f"--argv={tmp_path / 'a.json'}", "-J", "1"], {})
    assert args.argv == ["-T", "mesos", "--makeflow-log=x.log", "--jx", "--wq-fast-abort=2.5", "--retry-count=3",
                         "--cache=true", "-J", "1", "flow"]
    assert args.debug_flags == ["wq", "batch"]


@pytest.mark.parametrize(("text", "problem"), [
    (None, "cannot be read"), ("{", "not JSON"), ('["-l", "x"]', "not an object"), ("{\"nonsense\": 1}", "no option"),
    ('{"jx": 1}', "write null"), ('{"retry-count": null}', "needs a value"), ('{"retry-count": [1]}', "neither"),
    ('{"argv": "FILE"}', "in a cycle"),
])
def test_what_is_no_file_for_argv(tmp_path: Path, text: str | None, problem: str) -> None:
    """One line that names the file and what is wrong; makeflow dies of the same."""
    file = tmp_path / "a.json"
    if text is not None:
        file.write_text(text.replace("FILE", str(file)))
    with pytest.raises(ConfigError, match=rf"--argv {file}: .*{problem}"):
        parse(["--argv", str(file)], {})
