"""Options that choose by which policies a run schedules its tasks."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, TypeVar

import click

from mfmesos.cli.failing import bad_usage
from mfmesos.cli.number_options import Number
from mfmesos.shared import bounds, resource_texts
from mfmesos.shared.choices import check_offers, check_placement

F = TypeVar("F", bound=Callable[..., Any])


def placement(context: click.Context, option: click.Parameter, text: str) -> str:
    """The name of a placement, with its value."""
    with bad_usage():
        check_placement(text)
    return text


def offers(context: click.Context, option: click.Parameter, text: str) -> str:
    """The name of an offer policy, with its value."""
    with bad_usage():
        check_offers(text)
    return text


def of_categories(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    """From CATEGORY=NAME and CATEGORY=NAME=VALUE."""
    found = {}
    for text in texts:
        category, _, name = text.partition("=")
        found[category] = placement(context, option, name)
    return found


def counters(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> dict[str, float]:
    """From NAME=AMOUNT."""
    with bad_usage():
        return resource_texts.counters(texts)


def category_resources(
    context: click.Context, option: click.Parameter, texts: Sequence[str],
) -> dict[str, resource_texts.Wanted]:
    """From CATEGORY=NAME=AMOUNT."""
    with bad_usage():
        return resource_texts.of_categories(texts)


def policy_options(command: F) -> F:
    """Shared by all commands that run tasks."""
    for option in reversed((
        click.option("--placement", default="first", show_default=True, metavar="NAME[=VALUE]", callback=placement,
                     help="Choose by this policy where tasks start."),
        click.option("--place", multiple=True, metavar="CATEGORY=NAME[=VALUE]", callback=of_categories,
                     help="Choose by another one where tasks of this category start; may be repeated."),
        click.option("--counter", multiple=True, metavar="NAME=AMOUNT", callback=counters,
                     help="Let running tasks hold at most this amount of a resource that no agent has, such as "
                          "licences; may be repeated."),
        click.option("--category-resources", multiple=True, metavar="CATEGORY=NAME=AMOUNT[,NAME=AMOUNT]",
                     callback=category_resources,
                     help="Request these for tasks of this category that do not request them: gpus=1, gpus=a100:1, "
                          "licences=1; may be repeated."),
        click.option("--order", type=click.Choice(["fifo", "priority", "shortest", "fair"]), default="fifo",
                     show_default=True,
                     help="Start tasks as they were submitted (fifo), those of higher priority first, those of "
                          "categories with the shortest run times first, or divide the cores fairly among groups."),
        click.option("--reserve", type=click.Choice(["none", "easy", "sjbf", "conservative"]), default="easy",
                     show_default=True,
                     help="Hold a claim for the first waiting task that others would overtake (easy; with sjbf the "
                          "shortest of the others start first), plan the start of each of the first 16 (conservative), "
                          "or let them wait for as long as others keep coming (none)."),
        click.option("--offers", default="polite", show_default=True, metavar="NAME[=SECONDS]", callback=offers,
                     help="For experiments: keep unused offers for some seconds (hold=SECONDS), or always refuse them "
                          "for the same time (refuse=SECONDS)."),
        click.option("--arrival-rate", type=Number(bounds.BOUND), metavar="N",
                     help="For experiments: let N tasks per second arrive, on average."),
    )):
        command = option(command)
    return command


def policy_settings(options: dict[str, Any]) -> dict[str, Any]:
    """The settings from `policy_options`."""
    return {"placement": options["placement"], "placements": options["place"], "ordering": options["order"],
            "counters": options["counter"], "category_resources": options["category_resources"],
            "planned_start": options["reserve"], "offers": options["offers"], "arrival_rate": options["arrival_rate"]}
