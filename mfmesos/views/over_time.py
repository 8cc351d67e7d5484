"""What a run held, allocated and used over time, for its page: the record sums up, whatever the number of tasks."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mfmesos.store.run_pages import RunPages
from mfmesos.views import run_facts
from mfmesos.views.run_facts import ClaimRow, RunFacts
from mfmesos.views.run_sums import Steps

POINTS = 300


def over_time(
    reader: RunPages, run: Mapping[str, Any], running: Iterable[tuple[float, float, float]], now: float,
) -> dict[str, list[float]]:
    """Averages of POINTS intervals by name; "at": seconds since the run began. `running`: since when, cores and MB of
    the tasks that run; `now`: the end of a run that lasts. Cores and MB are `held`, `given` to attempts and `used` by
    those that have ended, MB as if each had its peak all the time. Raises RecordError.
    """
    facts = run_facts.load_held(reader, run, now)
    found = {name: Steps(facts.begin, facts.end, POINTS) for name in (
        "claims", "agents", "held_cores", "given_cores", "used_cores", "held_mb", "given_mb", "used_mb")}
    for one in facts.claims:
        found["claims"].add(one.opened, one.ended or facts.end, 1.0)
    for begin, end in _with_claims(facts):
        found["agents"].add(begin, end, 1.0)
    for begin, end, cores, memory_mb in facts.held():
        found["held_cores"].add(begin, end, cores)
        found["held_mb"].add(begin, end, memory_mb)
    for begin, cores, memory_mb in running:
        found["given_cores"].add(begin, facts.end, cores)
        found["given_mb"].add(begin, facts.end, memory_mb)
    width = found["claims"].width
    for sign, event in ((1.0, "started"), (-1.0, "ended")):
        for interval, *sums in reader.changes(run["run"], event, facts.begin, width, POINTS):
            for n, name in enumerate(("given_cores", "used_cores", "given_mb", "used_mb")):
                found[name].change(interval, sign * sums[2 * n], sign * sums[2 * n + 1])
    curves = {name: [round(value, 3) for value in steps.averages()] for name, steps in found.items()}
    for what in ("cores", "mb"):  # an attempt may wait in its executor for the end of one before it
        curves[f"given_{what}"] = [min(pair) for pair in zip(curves[f"given_{what}"], curves[f"held_{what}"])]
    return {"at": [n * width for n in range(POINTS)], **curves}


def _with_claims(facts: RunFacts) -> Iterable[tuple[float, float]]:
    """From when until when an agent had claims, for each agent."""
    by_agent: dict[str, list[ClaimRow]] = {}
    for claim in facts.claims:  # in the order of their openings
        by_agent.setdefault(claim.agent, []).append(claim)
    for claims in by_agent.values():
        begin, end = claims[0].opened, claims[0].ended or facts.end
        for claim in claims[1:]:
            if claim.opened > end:
                yield begin, end
                begin = claim.opened
            end = max(end, claim.ended or facts.end)
        yield begin, end
