"""The commands for resource estimates."""
from __future__ import annotations

import sys
from difflib import get_close_matches
from pathlib import Path

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.shared import bounds
from mfmesos.shared.messages import cli as m
from mfmesos.shared.phrases import counted
from mfmesos.shared.plainerrors import plain


class _OrCategory(click.Group):
    """A word that is no command is a category to show."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_OrCategory, options_metavar="", subcommand_metavar="[CATEGORY|COMMAND] [OPTIONS]...")
def estimates() -> None:
    """Show what tasks are expected to need, from earlier runs.

    Shows all categories, or CATEGORY alone; for the options see mfmesos estimates show --help.
    """


@estimates.command()
@click.argument("category", required=False)
@click.option("--history", "path", type=click.Path(path_type=Path), metavar="FILE",
              help="Read this history (default: your own).")
@click.option("--retry-budget", type=Number(bounds.RETRY_BUDGET), default=2.0, show_default=True, metavar="N",
              help="Choose estimates that at most N of 100 tasks exceed.")
@click.option("--plot", "picture", metavar="FILE",
              help="Also draw a plot (PNG, PDF or SVG); needs matplotlib.")
def show(category: str | None, path: Path | None, retry_budget: float, picture: str | None) -> None:
    """Show one line for each category, or the details of one.

    The word show may be left out. Waste is memory x seconds allocated but not used, failed attempts included, divided
    by memory x seconds used.
    """
    from mfmesos.cli.history_commands import existing
    from mfmesos.estimates.estimators import Estimates
    from mfmesos.store.history import HistoryError, default_path
    from mfmesos.views import estimates_view as view

    try:
        with existing(path or default_path()) as store:
            groups = view.categories(store.load())
            dropped = store.dropped
    except HistoryError as e:
        fail(str(e))
    known = Estimates.with_budget(retry_budget)
    view.learned(groups, known)
    if category is None:
        lines = view.overview(groups, known)
    else:
        names = [g.name for g in groups]
        if category not in names:
            close = get_close_matches(category, names, n=3, cutoff=0.3)
            fail(m.SIMILAR_CATEGORIES(category=category, names=", ".join(map(repr, close))) if close
                 else m.NO_CATEGORY(category=category))
        groups = [g for g in groups if g.name == category]
        blocks = view.BARS if (sys.stdout.encoding or "").lower().startswith("utf") else view.PLAIN_BARS
        lines = view.details(groups[0], known, blocks)
    for line in lines:
        click.echo(line)
    if dropped:
        click.echo(m.ATTEMPTS_LEFT_OUT(attempts=counted(dropped, "attempt")), err=True)
    if picture is not None:
        try:
            left_out = view.plot(groups, known, picture)
        except ImportError:
            fail(m.NO_MATPLOTLIB())
        except (OSError, ValueError) as e:
            fail(m.PLOT_FAILED(file=picture, why=plain(e, cure=False)))
        if left_out:
            click.echo(m.NOT_DRAWN(count=left_out), err=True)


@estimates.command()
@click.argument("trace", metavar="TRACE.csv", type=click.Path(path_type=Path))
@click.option("--causal", is_flag=True,
              help="For each task, learn only from tasks that had ended (end_s) when it started (start_s).")
@click.option("--baselines", is_flag=True, help="Also score well-known policies on the same trace.")
def replay(trace: Path, causal: bool, baselines: bool) -> None:
    """Score the estimator on a trace of tasks.

    TRACE.csv has the columns category, input_mb, declared_mb, peak_mb, seconds, submit_s, start_s and end_s, and one
    line for each task in order of arrival. Waste is memory x seconds allocated but not used, failed attempts included,
    divided by memory x seconds used; retries are per 100 tasks.
    """
    from mfmesos.estimates.baselines import all_baselines
    from mfmesos.estimates.replay import Learned
    from mfmesos.estimates.replay import replay as score
    from mfmesos.settings.config import ConfigError
    from mfmesos.views import tracefile

    try:
        rows = tracefile.load(trace, causal=causal)
    except ConfigError as e:
        fail(str(e))
    if baselines:
        for name, policy in all_baselines():
            result = score(rows, policy, causal=causal)
            click.echo(f"{name:20} waste {result.waste:6.3f}  retries {result.retries:6.3f}")
    click.echo(str(score(rows, Learned(), causal=causal)))
