"""The command that simulates runs."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.number_options import Number
from mfmesos.cli.policy_options import policy_options, policy_settings
from mfmesos.shared import bounds
from mfmesos.shared.messages import cli as cli_messages
from mfmesos.shared.messages import simulate as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.resource_texts import table


@click.command()
@click.option("--cluster", "cluster_names", multiple=True, metavar="FILE",
              help="Simulate this cluster (default: lab): a file, or the name of one that comes with mfmesos; give it "
                   "again for another one that the runs use as well.")
@click.option("--workload", "workload_names", multiple=True, metavar="FILE",
              help="Run this workload (default: mix); give it again for a second run beside the first.")
@click.option("--seed", type=Number(bounds.COUNT), default=1, show_default=True, metavar="N",
              help="Draw all random numbers from this seed.")
@click.option("--estimates", type=click.Choice(["off", "fill", "override"]), default="fill", show_default=True,
              help="Allocate by what was learned: not at all, where nothing is requested, or always.")
@policy_options
@click.option("--until", type=Number(bounds.SECONDS), default=30 * 86400, metavar="SECONDS",
              help="Stop after this many simulated seconds (default: 30 days).")
@click.option("--json", "json_file", metavar="FILE", help="Write all results as JSON; - is standard output.")
@click.option("--plot", "picture", metavar="FILE",
              help="Also draw cores and tasks over time (PNG, PDF or SVG); needs matplotlib.")
def simulate(cluster_names: tuple[str, ...], workload_names: tuple[str, ...], seed: int, estimates: str, until: float,
             json_file: str | None, picture: str | None, **policies: Any) -> None:
    """Simulate runs with the scheduler that real runs use.

    Time is virtual: hours of a thousand agents take minutes. The same seed gives the same results. docs/simulate.md
    describes the files.
    """
    from mfmesos.core.policy import Policy
    from mfmesos.settings.config import ConfigError
    from mfmesos.simulate import results
    from mfmesos.simulate.cluster_files import load_cluster
    from mfmesos.simulate.simulation import Simulation
    from mfmesos.simulate.workload_files import load_workload
    from mfmesos.views.estimates_view import BARS, PLAIN_BARS

    try:
        clusters = [load_cluster(name) for name in cluster_names or ("lab",)]
        workloads = [load_workload(name, seed + number) for number, name in enumerate(workload_names or ("mix",))]
    except ConfigError as e:
        fail(str(e))
    chosen = policy_settings(policies)
    of_categories = table(chosen.pop("category_resources"))
    pairs = {name: tuple(sorted(chosen[name].items())) for name in ("placements", "counters")}
    policy = Policy(estimates=estimates, by_category=of_categories, **{**chosen, **pairs})
    simulation = Simulation(clusters, workloads, policy, seed, until)
    simulation.run()
    found = results.as_json(simulation)
    text = json.dumps(found, indent=1, sort_keys=True)
    if json_file == "-":
        click.echo(text)
    else:
        blocks = BARS if (sys.stdout.encoding or "").lower().startswith("utf") else PLAIN_BARS
        for line in (*results.as_text(found), *results.time_line(found, blocks)):
            click.echo(line)
    try:
        if json_file not in (None, "-"):
            Path(str(json_file)).write_text(text + "\n")
        if picture is not None:
            results.plot(found, picture)
    except ImportError:
        fail(cli_messages.NO_MATPLOTLIB())
    except (OSError, ValueError) as e:
        fail(m.SIMULATED_PLOT_FAILED(file=picture or json_file, why=plain(e, cure=False)))
    if not simulation.done:
        fail(m.SIMULATED_UNFINISHED(seconds=found["seconds"]))
    sys.exit(1 if any(run["failed"] or run["failure"] for run in found["runs"]) else 0)
