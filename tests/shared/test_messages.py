"""User messages live in one table: its form, its use, and nothing beside it."""
from __future__ import annotations

import importlib.util
import re
import string
from pathlib import Path

import message_calls as source
import pytest

from mfmesos.shared.messages.message import Message

pytestmark = pytest.mark.once

NOT_MESSAGES: dict[str, tuple[str, ...]] = {
    # The embedded cluster answers frameworks and executors in Mesos's own words, which programs match; faults are asked
    # for by tests alone.
    **dict.fromkeys((f"mfmesos/local/{name}.py" for name in (
        "__init__", "agent", "container", "faults", "fetcher", "framework_calls", "master", "operator",
        "validation", "web")), ("",)),
    "mfmesos/allocation/amounts.py": ("",),
    # Of Mesos's answer, and the head of a request.
    "mfmesos/mesos/scheduler_driver.py": ("has been removed",), "mfmesos/mesos/executor_driver.py": ("POST {}",),
    # What the master answers, and what marks our script in files of earlier versions.
    "mfmesos/launchers/clean.py": ("No framework found",), "mfmesos/launchers/link.py": ("# put here by",),
    # Parts of help texts, a row of a table, and the form of log lines.
    "mfmesos/doctor/checks.py": ("preloaded library", "Debian packages", "install ok"),  # names of checks; dpkg's word
    "mfmesos/store/history.py": ("CREATE", "DELETE"), "mfmesos/web/task_table.py": ("FROM ", "substr(", "state <>"),
    "mfmesos/store/sqlitefile.py": ("is full", "unable to open"),  # of SQLite's own messages
    "mfmesos/cli/command_line.py": ("Read the principal's", "HOST:PORT, several"),
    "mfmesos/cli/layered.py": ("command line",), "mfmesos/cli/runs_command.py": ("{}{}{}",),
    "mfmesos/cli/estimates_commands.py": ("{} waste {}",), "mfmesos/scheduler/private_log.py": ("%(asctime)s",),
    # Amounts, which messages name.
    "mfmesos/shared/resources.py": ("{} cores, {} MB memory",), "mfmesos/core/shortage.py": ("{} and {} MB memory",),
    # A value of an enum, and a key for notes that are alike.
    "mfmesos/core/outcomes.py": ("give up",), "mfmesos/core/tasks.py": ("again at {}",),
    # For developers: what tools/replay_events.py prints.
    "mfmesos/eventlog/replaying.py": ("",),
    # What makeflow prints, and a kind of record.
    "mfmesos/taskfiles/makeflow_debug.py": ("couldn't load ",), "mfmesos/taskfiles/splitter.py": ("too long",),
    "mfmesos/taskfiles/taskfile.py": ("too long",),
    # What nvidia-smi prints.
    "executor/mfmesos_executor/nvidia_smi.py": ("not supported", "insufficient permissions"),
    # Heads of HTTP.
    "executor/mfmesos_executor/peer_server.py": ("HTTP/1.1 ",),
    "executor/mfmesos_executor/peer_stream.py": ("GET /inputs/",),
    # What the phases of an executor's syncs mean.
    "executor/mfmesos_executor/sync_state.py": (
        "every connection carries a sync:", "no sync awaits its answer,", "the newest sync is held"),
    # Words of shells and programs, names of baselines and of the estimator's levels, and a score.
    "mfmesos/estimates/baselines.py": ("max seen", "Tovar, "),
    "mfmesos/estimates/category.py": ("cd pushd", "echo printf", "sort uniq", "git samtools"),
    "mfmesos/estimates/category_history.py": ("the ",),
    "mfmesos/estimates/programs.py": ("if then", "for case", "time nice", "singularity apptainer", "sh bash"),
    "mfmesos/estimates/replay.py": ("waste {} retries {}",),
    # Headings, and the line that shows progress.
    "mfmesos/views/estimates_view.py": ("attempts exhausted", "the next task gets"),
    "mfmesos/simulate/results.py": ("cores in use", "tasks waiting", "in claims", "in use"),
    "mfmesos/simulate/simulated_subscription.py": ("an offer was rescinded",),  # what the master would answer
    # Headings and labels of the report, what metrics mean, names in exports, and SQL.
    "mfmesos/views/report_page.py": ("",), "mfmesos/views/metrics.py": ("",),
    "mfmesos/views/run_exports.py": ("run {} of {}", "held ", "waiting tasks"),
    "mfmesos/views/run_facts.py": ("task, attempt",), "mfmesos/store/run_pages.py": ("",),
    "mfmesos/web/page_access.py": ("default-src", "401:"), "mfmesos/web/page_server.py": ("id: {}",),
    "mfmesos/views/status_view.py": ("{}  {}  for example",),
    "mfmesos/store/run_record.py": ("UPDATE ", "SELECT run, task"),
    "mfmesos/store/run_reading.py": ("SELECT ", "run = (SELECT", "exit code"),  # SQL, and the beginning of a reason
    "mfmesos/views/progress.py": ("{}/{} done",),
    "mfmesos/views/summary.py": ("What each category used", "peak memory", "median memory", "most cores", "task time"),
    # A kind of number, and errors of the protocol, which are constants since they are checked for each sync.
    "mfmesos/shared/bounds.py": ("a whole number", "above {} and up"), "mfmesos/shared/wire.py": ("",),
    "mfmesos/shared/wire_checks.py": ("",), "mfmesos/shared/devices.py": ("",),
    "mfmesos/shared/peer_wire.py": ("",), "mfmesos/shared/log_pieces.py": ("",),
    # Programs that run on agents before the executor does; the name in a certificate.
    "mfmesos/staging/archive.py": ("# The oldest of Pythons", "# mfmesos-executor", 'PATH="${PATH'),
    "mfmesos/staging/tls.py": ("mfmesos staging server",),
    # A name for what makes the tasks, headings of a table, and what ldd prints.
    "mfmesos/engines/catalog.py": ("whole queue",), "mfmesos/engines/pool_status.py": ("of them",),
    "mfmesos/engines/pool_worker.py": ("not a dynamic executable",),
}
"""By file: the beginnings of literals that are no messages, though they look like some."""
FOREIGN_WORDS = re.compile(
    r"\b(told|so many|so long|so often|anew|at hand|at work|that cannot be|what is there|goes on|takes? away)\b")
"""STYLE: words that a native engineer would not write."""


def tool():
    """tools/messages.py."""
    spec = importlib.util.spec_from_file_location("tools_messages", source.ROOT / "tools/messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()
TABLE: dict[str, dict[str, Message]] = {
    module.__name__.rpartition(".")[2]: TOOL.of(module) for module in TOOL.modules()}
MESSAGES = [pytest.param(name, message, id=message.id) for found in TABLE.values() for name, message in found.items()]
SOURCES = source.sources()
CHANNELS = source.CHANNELS | source.exceptions(SOURCES)
ROOMS = sorted({source.room(path) for path in SOURCES})


def fields(template: str) -> dict[str, str]:
    """The fields of a template, with their formats."""
    return {name: form or "" for _, name, form, _ in string.Formatter().parse(template) if name is not None}


def fields_of(message: Message, *, parts: bool) -> set[str]:
    """What a call must name."""
    if parts:
        return {*fields(message.text), *fields(message.cure)}
    return set(fields(message.text.replace("{cure}", message.cure)))


def test_ids_are_unique():
    """A message is found by its id."""
    ids = [message.id for found in TABLE.values() for message in found.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_form(name, message):
    """The id is the constant's name, each part is one line without a full stop where it is joined to others, in plain
    English."""
    assert message.id == name.lower().replace("_", "-")
    assert message.cause.endswith(".")
    for part in (message.text, message.cause, message.cure):
        assert "\n" not in part
        assert part == part.strip()
        assert not FOREIGN_WORDS.search(part), part
    assert message.text
    assert not message.cure.endswith(".")


@pytest.mark.parametrize(("name", "message"), MESSAGES)
def test_formats(name, message):
    """With a value for each field it is one line."""
    every = {**fields(message.text), **fields(message.cure), **fields(message.cause)}
    values = {field: 12 if form else "x y" for field, form in every.items() if field != "cure"}
    assert "\n" not in message(**values)
    assert all("{" not in part or "{{" in message.text + message.cure for part in (message(**values),))
    if "{cure}" not in message.text:
        assert len(message.parts(**values)) == 2


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(source.ROOT)))
def test_calls_give_the_fields_of_the_template(path: Path):
    """Every use is a call that names each field, and no other."""
    for call in source.calls(path):
        assert call.module in TABLE, f"{call.where}: {call.module} holds no messages"
        message = TABLE[call.module].get(call.name)
        assert message is not None, f"{call.where}: no message {call.name}"
        assert call.fields is not None, f"{call.where}: {call.name} must be called there, with its fields by name"
        assert call.fields == fields_of(message, parts=call.parts), f"{call.where}: {call.name}"


def test_every_message_is_used():
    """The table holds no message that nothing sends."""
    used = {(call.module, call.name) for path in SOURCES for call in source.calls(path)}
    assert {(module, name) for module, found in TABLE.items() for name in found} <= used


@pytest.mark.parametrize("room", ROOMS)
def test_no_message_outside_the_table(room):
    """No literal in the code of a room is a message; log lines, help texts and docstrings are none."""
    found = [text for path in SOURCES if source.room(path) == room for text in source.texts(path, CHANNELS)]
    outside = [text for text in found if not text.text.startswith(NOT_MESSAGES.get(text.file, ()))]
    assert not outside, "\n".join(f"{text.file}:{text.line}: {text.text[:100]!r}" for text in outside)


@pytest.mark.parametrize("file", sorted(NOT_MESSAGES))
def test_exceptions_are_needed(file):
    """Each literal that is no message exists."""
    found = [text.text for text in source.texts(source.ROOT / file, CHANNELS)]
    for start in NOT_MESSAGES[file]:
        assert any(text.startswith(start) for text in found), start


def test_the_docs_list_all():
    """docs/messages.md is what tools/messages.py prints of the table."""
    assert (source.ROOT / "docs/messages.md").read_text() == TOOL.page(), (
        "run .venv/bin/python tools/messages.py > docs/messages.md")
