"""The commands in groups, as `mfmesos --help` lists them."""
from __future__ import annotations

import click

from mfmesos.cli.attach_command import attach
from mfmesos.cli.fetch_command import fetch
from mfmesos.cli.report_commands import export, report
from mfmesos.cli.runs_command import runs
from mfmesos.cli.seeing_commands import logs, status, why
from mfmesos.cli.steering_commands import COMMANDS as STEERING
from mfmesos.cli.top_command import top
from mfmesos.cli.web_command import web
from mfmesos.shared.messages import cli as m

__all__ = ["GROUPS", "SEEING", "STEERING", "Grouped"]

SEEING = (status, why, top, logs, fetch, attach, runs, report, export, web)
GROUPS = {
    m.HELP_RUN(): ("run", "makeflow", "factory", "pool"),
    m.HELP_SEE(): tuple(command.name or "" for command in SEEING),
    m.HELP_CHANGE(): tuple(command.name or "" for command in STEERING),
    m.HELP_NEEDS(): ("estimates", "history", "simulate"),
    m.HELP_SET_UP(): ("doctor", "config", "clean", "cluster", "link", "unlink"),
}


class Grouped(click.Group):
    """Lists its commands by what they are for."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands), default=0)
        for heading, names in GROUPS.items():
            rows = [(f"{name:<{width}}", self.commands[name].get_short_help_str(formatter.width - width - 6))
                    for name in names if name in self.commands]
            with formatter.section(heading):
                formatter.write_dl(rows)
