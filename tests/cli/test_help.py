"""`--help` of every command: it fits 80 columns, says what each value is, and is in plain English."""
from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from mfmesos.cli.command_line import main
from mfmesos.cli.groups import GROUPS

VALUES = {"NAME=VALUE", "NAME:N", "NAME:TEXT", "COMMAND", "ARCHIVE", "OPTIONS", "PORT[:LAST]", "DIR",
    "ADDRESS[:PORT]", "DAYS", "FILE", "FOLDER", "HOST:PORT", "HOST[:PORT]", "MASTER", "MB", "N", "NAME", "PORT",
    "NAME[=VALUE]", "CATEGORY=NAME[=VALUE]", "NAME[=SECONDS]", "NAME=AMOUNT", "CATEGORY=NAME=AMOUNT[,NAME=AMOUNT]",
    "FIRST-LAST",
    "PATTERN", "PRINCIPAL", "PROGRAM", "ROLE", "SECONDS", "TASK", "URI", "USER",
}
"""What an option may take, apart from one of a few words."""
ARGUMENTS = {
    "TASKFILE|FOLDER", "FOLDER", "BINDIR", "FILE.csv", "FILE.csv|-", "TRACE.csv", "CATEGORY", "PROJECT", "-- ARGS...",
    "[FOLDER]", "[FOLDER] TASK", "[FOLDER] TASK...", "[FOLDER|URL]", "[FOLDER|URL] TASK", "[FOLDER|URL] [TASK]",
}
ODD = re.compile(r"\b(so (many|long|often)|anew|at hand|at work|takes? away|dead run|goes? on|cannot be|told)\b", re.I)


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, and the group itself."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


ALL = list(commands(main))


def test_a_pool_has_no_shared_folder():
    """Its workers read nothing in place: the option is refused in one line, not ignored."""
    done = CliRunner().invoke(main, ["pool", "p", "--shared-fs", "/"])
    assert done.exit_code == 2
    assert "No such option" in done.output  # and then by the version of click
    assert "--shared-fs" in done.output


def help_of(path: tuple[str, ...]) -> str:
    # click leaves two of a terminal's 80 columns empty.
    done = CliRunner().invoke(main, [*path, "--help"], terminal_width=78, env={"COLUMNS": "80"})
    assert done.exit_code == 0
    return done.output


def test_all_commands_are_listed():
    """In one of the groups, each once."""
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(main.commands)


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) or "mfmesos" for path, _ in ALL])
def test_help(path: tuple[str, ...], command: click.Command):
    """No line is longer than 80 columns, no summary is cut, and no value is called TEXT or INTEGER."""
    text = help_of(path)
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "..." not in re.sub(r"-- ARGS\.\.\.|TASK\.\.\.|\[ARGS\]\.\.\.|\[OPTIONS\]\.\.\.", "", text)
    assert ODD.search(text) is None
    for param in command.params:
        if isinstance(param, click.Argument):
            assert (param.metavar or str(param.name).upper()) in ARGUMENTS
        elif isinstance(param, click.Option):
            assert param.help, f"{param.opts[-1]} has no help"
            assert param.help[0].isupper(), param.help
            assert param.help.endswith("."), param.help
            if not param.is_flag and not isinstance(param.type, click.Choice):
                assert param.metavar in VALUES, param.opts
