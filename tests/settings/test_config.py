"""Settings on disk, secrets, and the command line's own errors."""
from __future__ import annotations

import pytest
from click.testing import CliRunner

from mfmesos.cli.command_line import main
from mfmesos.scheduler.parts import policy_of
from mfmesos.settings.config import ConfigError, SchedulerConfig, read_secret


def test_settings_come_back_as_they_were(tmp_path):
    """Saved with mode 0600 and read again unchanged."""
    config = SchedulerConfig(workdir="/w", master="h:1", retries=3, claims="per-task", max_running=5)
    config.save(tmp_path / "c.json")
    assert (tmp_path / "c.json").stat().st_mode & 0o777 == 0o600
    assert SchedulerConfig.load(tmp_path / "c.json") == config


@pytest.mark.parametrize("text", ["", "[]", "{", '{"master": "x"}', "null"])
def test_broken_settings_are_one_line(tmp_path, text):
    """Whatever the file holds: ConfigError that names it."""
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.json"):
        SchedulerConfig.load(tmp_path / "c.json")


def test_a_secret_that_others_can_read_is_refused(tmp_path):
    """Mode 0644: refused with the cure; 0600: read; missing: reported."""
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(str(path))
    path.chmod(0o600)
    assert read_secret(str(path)) == "s3cret"
    with pytest.raises(ConfigError, match="cannot read the secret"):
        read_secret(str(tmp_path / "none"))
    assert read_secret(None) is None


def test_the_policy_follows_the_settings():
    """The options of the command line reach the core."""
    policy = policy_of(SchedulerConfig(workdir="/w", retries=2, max_running=7, claims="per-task", claim_idle_s=1))
    assert (policy.retries, policy.max_running, policy.per_task_claims, policy.claim_idle_s) == (2, 7, True, 1)


@pytest.mark.parametrize("command", ["run", "makeflow", "link", "unlink", "cluster", "doctor"])
def test_every_command_explains_itself(command):
    """--help of each command works and prints something."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200 or command in ("link", "unlink", "doctor")


def test_a_folder_without_a_task_file_is_one_line(tmp_path):
    """mfmesos run DIR with nothing in it: which names were looked for."""
    result = CliRunner().invoke(main, ["run", str(tmp_path)])
    assert result.exit_code == 1
    assert "mesos_task_info" in result.output
    assert result.output.count("\n") == 1


def test_problems_are_said_before_anything_starts(tmp_path):
    """A cycle, a duplicate output and a missing input: one line each with file and line, exit 2, nothing started."""
    (tmp_path / "tasks.jsonl").write_text(
        '{"command": "c1", "inputs": ["b"], "outputs": ["a"]}\n{"command": "c2", "inputs": ["a"], "outputs": ["b"]}\n'
        '{"command": "c3", "outputs": ["d"]}\n{"command": "c4", "outputs": ["d"]}\n'
        '{"command": "c5", "inputs": ["gone"], "outputs": ["e"]}\n{"comand": "c6"}\n')
    result = CliRunner().invoke(main, ["run", str(tmp_path)])
    assert result.exit_code == 2
    lines = result.output.splitlines()
    for number, word in ((1, "cycle"), (4, "'d'"), (5, "gone"), (6, "comand")):
        assert any(f"tasks.jsonl:{number}:" in line and word in line for line in lines), result.output
    assert not (tmp_path / ".mfmesos").exists()


def test_dry_run_says_what_would_run_in_which_order(tmp_path):
    """Producers before consumers, nothing executed."""
    (tmp_path / "tasks.jsonl").write_text(
        '{"command": "cat a > b", "inputs": ["a"], "outputs": ["b"]}\n{"command": "touch a", "outputs": ["a"]}\n')
    result = CliRunner().invoke(main, ["run", "--dry-run", str(tmp_path)])
    assert result.exit_code == 0
    assert result.output == "2: touch a\n1: cat a > b\n"
    assert not (tmp_path / "a").exists()


def test_a_bad_address_is_bad_usage():
    """--listen and --advertise are looked at before anything starts; the message names the option and the form."""
    from click.testing import CliRunner

    from mfmesos.cli.command_line import main

    for option, value in (("--advertise", "a:b:c"), ("--listen", "127.0.0.1:many")):
        done = CliRunner().invoke(main, ["run", option, value, "."])
        assert done.exit_code == 2
        assert option in done.output
        assert value in done.output
