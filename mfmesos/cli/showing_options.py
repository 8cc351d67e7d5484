"""Options for what a run shows of itself, and where."""
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

import click

from mfmesos.cli.detaching import DETACH

F = TypeVar("F", bound=Callable[..., Any])


def showing_options(command: F) -> F:
    for option in reversed((
        DETACH,
        click.option("--web", is_flag=True, help="Serve a page about the run on this machine, and print its link."),
        click.option("--web-listen", default="127.0.0.1:0", metavar="ADDRESS[:PORT]",
                     help="Let that page listen on this loopback address (default: 127.0.0.1, a free port)."),
        click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
                     help="Write .mfmesos/scheduler.log as lines of text, or of JSON."),
        click.option("--metrics-file", default="", metavar="FILE",
                     help="Write metrics for Prometheus to FILE every 5 seconds."),
    )):
        command = option(command)
    return command


def showing_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The scheduler's settings from them."""
    file = options["metrics_file"]
    return {
        "web": options["web_listen"] if options["web"] else "", "log_format": options["log_format"],
        "metrics_file": os.path.abspath(file) if file else ""}
