"""The commands about resource estimates."""
from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group()
def estimates() -> None:
    """What tasks are expected to need, learned from earlier runs."""


@estimates.command()
@click.argument("trace", metavar="TRACE.csv", type=click.Path(path_type=Path))
@click.option("--causal", is_flag=True,
              help="A task knows only those that had really ended (end_s) when it started (start_s).")
@click.option("--baselines", is_flag=True, help="Also score well-known policies on the same trace.")
def replay(trace: Path, causal: bool, baselines: bool) -> None:
    """Score the estimator on a trace of tasks.

    TRACE.csv has the columns category,input_mb,declared_mb,peak_mb,seconds,submit_s,start_s,end_s, one task a line in
    arrival order. Waste is memory x seconds allocated beyond what was used, failed attempts included, over that used;
    retries are per 100 tasks.
    """
    from mfmesos.config import ConfigError
    from mfmesos.core.baselines import all_baselines
    from mfmesos.core.replay import Learned
    from mfmesos.core.replay import replay as score
    from mfmesos.report import tracefile

    try:
        rows = tracefile.load(trace, causal=causal)
    except ConfigError as e:
        click.echo(f"mfmesos: {e}", err=True)
        sys.exit(1)
    if baselines:
        for name, policy in all_baselines():
            result = score(rows, policy, causal=causal)
            click.echo(f"{name:20} waste {result.waste:6.3f}  retries {result.retries:6.3f}")
    click.echo(str(score(rows, Learned(), causal=causal)))
