"""The documentation is true: its commands, options, links, targets and task files are checked."""
from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from mfmesos.cli import command_line
from mfmesos.settings.pool_settings import PoolSettings, parse
from mfmesos.simulate.cluster_files import load_cluster
from mfmesos.simulate.workload_files import load_workload
from mfmesos.taskfiles.entries import Submitted, Withdrawn
from mfmesos.taskfiles.jsonlines import JsonLinesParser
from mfmesos.taskfiles.taskfile import TaskInfoParser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([
    *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("README.md"),
    ROOT / "tests/store/versions/README.md"])
OTHERS_OPTIONS = {
    "--authenticate_http_frameworks", "--switch_user",  # mesos-master's, mesos-agent's
    "--mesos-master", "--mesos-path", "--mesos-preload", "--clean", "--version", "--help", "--send-environment",
    "--debug-rotate-max", "--argv",  # makeflow's
    "--password", "--storage-limit",
    "--autosize", "--cores", "--disk", "--env", "--gpus", "--memory", "--worker-binary", "--workers-per-cycle",
    "--wrapper",  # work_queue_factory's
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str) -> list[str]:
    """The indented code blocks."""
    return [m[0] for m in re.finditer(r"(?:^    .*\n?)+", text, re.MULTILINE)]


def commands(text: str) -> list[list[str]]:
    """Every `mfmesos COMMAND ...` in a block or between backticks, as words, up to a bare --."""
    lines = [line for block in blocks(text) for line in block.splitlines()] + re.findall(r"`([^`]+)`", text)
    found = []
    for line in lines:
        words = line.split("#")[0].replace("\n", " ").split()
        if len(words) > 1 and words[0].endswith("mfmesos") and words[1].isalpha():
            found.append(words[1:words.index("--")] if "--" in words else words[1:])
    return found


def options_of(command: click.Command) -> set[str]:
    """Of a command and, if it is a group, of those in it."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help", "-h"} | {
        name for c in inner for name in options_of(c)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page):
    """Each documented `mfmesos COMMAND --option` is one that --help lists."""
    for words in commands(page.read_text()):
        if words[0] == "COMMAND":
            continue
        command = command_line.main.commands.get(words[0])
        assert command is not None, f"no command {words[0]}"
        for word in words[1:]:
            if word.startswith("-") and word != "-":
                assert word.split("=")[0] in options_of(command), f"mfmesos {words[0]} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_between_backticks_exist(page):
    """An option that the text names is one of some command of ours, or a known one of makeflow or Mesos."""
    ours = set().union(*(options_of(c) for c in command_line.main.commands.values()))
    for option in re.findall(r"`(--[a-z][a-z_-]+)", page.read_text()):
        assert option in ours | OTHERS_OPTIONS, option


def test_every_command_is_documented():
    """The README's table lists all commands."""
    text = (ROOT / "README.md").read_text()
    for name in command_line.main.commands:
        assert f"`mfmesos {name}`" in text


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    """Links within the repository lead to a file, and to a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_named_files_exist(page):
    """A path between backticks exists, in the repository or in tests/, unless it has a NAME to be chosen."""
    for path in re.findall(r"`((?:mfmesos|executor|tests|tools|docs|bench|examples)/[\w./-]*)`", page.read_text()):
        assert "NAME" in path or (ROOT / path).exists() or (ROOT / "tests" / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_named_tests_exist(page):
    """A test that the text names as its proof is one."""
    there = {name for file in (ROOT / "tests").rglob("*.py") for name in re.findall(
        r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert set(re.findall(r"`(test_\w+)`", page.read_text())) <= there


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page):
    """Each `make TARGET` that the text names is in the Makefile."""
    targets = set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"(?:`|^    )make ([\w.-]+)", page.read_text(), re.MULTILINE):
        assert target in targets, target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_task_files_in_the_docs_parse(page, tmp_path):
    """Every example of a task file, of pool.json, or of a simulated cluster or workload, is one."""
    for block in blocks(page.read_text()):
        data = re.sub(r"^    ", "", block, flags=re.MULTILINE).encode()
        if b'"projects"' in data:
            assert parse(json.loads(data), PoolSettings()).projects
            continue
        if b'"agents"' in data or b'"share"' in data:
            file = tmp_path / "example.json"
            file.write_bytes(data if b'"agents"' in data else b'{"categories": [' + data + b"]}")
            assert load_cluster(str(file)) if b'"agents"' in data else next(iter(load_workload(str(file), 1).tasks))
            continue
        if data.startswith(b"{"):
            parser = JsonLinesParser("/work")
        elif re.match(rb"\d+,", data):
            parser = TaskInfoParser("/work")
        else:
            continue
        found = [*parser.feed(data), *parser.finish()]
        assert found
        assert all(isinstance(record, (Submitted, Withdrawn)) for record in found), found


def test_all_json_keys_are_documented():
    """docs/task-files.md has a row for each key of a JSON line."""
    from mfmesos.taskfiles.jsonlines import KEYS

    table = "".join(line for line in (ROOT / "docs/task-files.md").read_text().splitlines() if line.startswith("|"))
    for key in KEYS:
        assert f"`{key}`" in table


VOCABULARY = [
    "advisory", "quarantine", "strict",
    "acknowledge", "action", "agent", "allocation", "attempt", "attempt id", "avoided", "block", "cancel", "candidate",
    "catalog", "category", "claim", "cluster", "control socket", "core", "default", "delivery", "demand", "desk",
    "digest", "draining",
    "embedded cluster", "ended", "engine", "estimate", "event", "event log", "executor", "exhausted", "factory",
    "finished tasks", "floor", "framework", "free", "grant", "history", "hold", "input", "journal", "kept output",
    "kill", "kind",
    "launcher", "leftovers", "level", "limit", "lock", "manager", "margin", "master", "matching", "nearness", "need",
    "notify", "offer", "output", "peak", "peer", "peer transfer", "permit", "placement", "plan", "planned start",
    "policy", "pool",
    "project", "publish", "receive", "record", "recovery", "released", "report", "request", "reservation", "resources",
    "result", "retry", "retry budget", "revoke", "round", "run", "run id", "sandbox", "scheduler", "shape", "share",
    "shared input", "shortage", "sibling", "slice", "solo claim", "stage in", "staging", "stamp", "state file",
    "story", "sync",
    "target",
    "task", "task file", "temporary output", "token", "trace", "tracker", "waste", "withdrawn", "worker", "workflow",
    "worklife",
]


def test_glossary_is_complete():
    """docs/glossary.md has one row for each term of the vocabulary, and none for a word outside it."""
    rows = [line.split("|") for line in (ROOT / "docs/glossary.md").read_text().splitlines() if line.startswith("| **")]
    terms = [term for row in rows for term in re.findall(r"\*\*([^*]+)\*\*", row[1])]
    assert sorted(terms) == sorted(VOCABULARY)
    for _, term, meaning, module, _ in rows:
        assert meaning.strip().endswith("."), term
        assert "](../" in module or "Not implemented yet" in meaning, term
