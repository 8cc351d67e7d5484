"""mfmesos simulate."""
from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mfmesos.cli.command_line import main

WORK = '{"command": "work", "seconds": 5, "cores": 1, "memory": 100, "peak_memory_mb": 50}\n'


@pytest.fixture
def work(tmp_path):
    path = tmp_path / "work.jsonl"
    path.write_text(WORK * 20)
    return str(path)


def simulate(*args):
    return CliRunner().invoke(main, ["simulate", "--cluster", "laptop", *args])


def test_two_clusters(work):
    """Both are named, and their cores counted together."""
    done = simulate("--cluster", "laptop", "--workload", work)
    assert done.exit_code == 0, done.output
    assert "cluster laptop + laptop: 2 agents" in done.output


def test_text_json_and_plot(work, tmp_path):
    """The lines for people, the same numbers in a file, and a picture."""
    done = simulate("--workload", work, "--json", str(tmp_path / "out.json"), "--plot", str(tmp_path / "out.png"))
    assert done.exit_code == 0, done.output
    assert "work: 20 of 20 tasks finished" in done.output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["runs"][0]["finished"] == 20
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(simulate("--workload", work, "--json", "-").output)["runs"] == found["runs"]


def test_two_runs(work):
    """Each has its line, and both are compared with their fair shares."""
    done = simulate("--workload", work, "--workload", work)
    assert done.output.count("20 of 20 tasks finished") == 2
    assert "fairness error" in done.output


def test_errors(work, tmp_path):
    """One line and exit code 1: an unknown workload, a task that fits nowhere, a simulation that was cut short."""
    done = simulate("--workload", "nothing")
    assert done.exit_code == 1
    assert "nothing is no file" in done.output
    large = tmp_path / "large.jsonl"
    large.write_text(WORK.replace('"cores": 1', '"cores": 100'))
    done = simulate("--workload", str(large))
    assert done.exit_code == 1
    assert "1 failed" in done.output
    done = simulate("--workload", work, "--until", "3")
    assert done.exit_code == 1
    assert "not over after 3 simulated seconds" in done.output
