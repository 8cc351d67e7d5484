"""Options that choose by which policies a run schedules its tasks."""
from __future__ import annotations

from typing import Any, Callable, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def placement(context: click.Context, option: click.Parameter, text: str) -> str:
    """The name of a placement, with its value; anything else is bad usage."""
    if text == option.default:
        return text  # the registry imports the core, which takes 50 ms
    from mfmesos.core.policies import registry

    try:
        registry.placement(text)
    except ValueError as e:
        raise click.BadParameter(str(e)) from None
    return text


def policy_options(command: F) -> F:
    """Shared by all commands that run tasks."""
    for option in reversed((
        click.option("--placement", default="first", show_default=True, metavar="NAME[=VALUE]", callback=placement,
                     help="Choose by this policy where tasks start."),
        click.option("--order", type=click.Choice(["fifo", "priority", "shortest", "fair"]), default="fifo",
                     show_default=True,
                     help="Start tasks as they were submitted (fifo), those of higher priority first, those of "
                          "categories with the shortest run times first, or divide the cores fairly among groups."),
        click.option("--reserve", type=click.Choice(["none", "easy"]), default="easy", show_default=True,
                     help="Hold a claim for the first waiting task that others would overtake (easy), or let it wait "
                          "for as long as they keep coming (none)."),
    )):
        command = option(command)
    return command


def policy_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The settings from `policy_options`."""
    return {"placement": options["placement"], "ordering": options["order"], "planned_start": options["reserve"]}
