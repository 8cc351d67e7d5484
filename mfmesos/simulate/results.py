"""The results of a simulation: as JSON, as text, and as a plot."""
from __future__ import annotations

import statistics
from array import array
from collections.abc import Sequence
from typing import Any

from mfmesos.shared import wire
from mfmesos.shared.messages import simulate as m
from mfmesos.shared.phrases import counted, without_controls
from mfmesos.simulate.own_framework import OwnFramework
from mfmesos.simulate.simulation import Simulation

HOUR_S, GB = 3600.0, 1024.0
DIGITS = 6


def as_json(simulation: Simulation) -> dict[str, Any]:
    """All results. Only "real_time" differs between two simulations with the same arguments."""
    level, total = simulation.level, simulation.total()
    waited = level.waited_s or 1.0
    use = {"cores": level.busy[0] / waited / (total.cores or 1.0),
           "memory": level.busy[1] / waited / (total.memory_mb or 1.0)}
    fair = simulation.fairness
    contended = fair.contended_s or 1.0
    names = [*(run.name for run in simulation.runs), *(r.rival.name for r in simulation.rivals)]
    runs = [_run(run) for run in simulation.runs]
    decisions = sum(run.measures.attempts + run.measures.claims for run in simulation.runs)
    found = {
        "cluster": " + ".join(cluster.name for cluster in simulation.clusters), "seed": simulation.seed,
        "over": simulation.done, "seconds": simulation.time.now,
        "agents": sum(cluster.count() for cluster in simulation.clusters), "cores": total.cores,
        "memory_mb": total.memory_mb, "runs": runs,
        "others": [{"name": r.rival.name, "finished": r.finished, "last_s": r.last_s} for r in simulation.rivals],
        "utilisation": {**use, "scarcest": max(use, key=lambda name: use[name]), "while_waiting_s": level.waited_s},
        "fairness": {
            "contended_s": fair.contended_s, "error_mean": fair.error_sum / contended, "error_most": fair.error_most,
            "jain_mean": fair.jain_sum / contended if fair.contended_s else 1.0,
            "lacking": {name: lack / contended for name, lack in zip(names, fair.lacks)},
            "fair_after_s": dict(zip(names, fair.fair_after_s))},
        "offered_core_hours": simulation.offered_s / HOUR_S,
        "agents_lost": sum(master.losses for master in simulation.masters), "decisions": decisions,
        "timeline": [[s.at_s, s.waiting, s.running, s.claims, s.cores, s.held_cores, s.memory_mb]
                     for s in simulation.samples],
    }
    rounded: dict[str, Any] = _rounded(found)
    return {**rounded, "real_time": {
        "seconds": simulation.real_s, "decisions_per_s": decisions / (simulation.real_s or 1.0)}}


def _rounded(value: Any) -> Any:
    """Numbers of few digits: the last ones depend on the order of sums."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _run(run: OwnFramework) -> dict[str, Any]:
    measures = run.measures
    cores, memory = measures.cores_s, measures.memory_s
    starting = min(cores["starting"], measures.held_cores_s)
    in_attempts = sum(seconds for cause, seconds in cores.items() if cause != "starting")
    causes = {
        "finished": cores[wire.FINISHED], "exhausted": cores[wire.EXHAUSTED], "failed": cores[wire.FAILED],
        "killed": cores[wire.KILLED], "lost": cores["lost"], "starting": starting,
        "idle": max(measures.held_cores_s - in_attempts - starting, 0.0)}
    in_memory = sum(memory.values())
    gb = {"used": memory["used"], "unused": memory["unused"], "exhausted": memory[wire.EXHAUSTED],
          "killed": memory[wire.KILLED], "lost": memory["lost"],
          "idle": max(measures.held_memory_s - in_memory, 0.0)}
    return {
        "name": run.name, "role": run.role, "failure": run.failure or "",
        "tasks": measures.tasks, "finished": measures.finished, "failed": measures.failed,
        "skipped": measures.skipped, "attempts": measures.attempts,
        "makespan_s": measures.last_s - measures.first_s,
        "wait_s": _spread(measures.waits), "bounded_slowdown": _spread(measures.slowdowns),
        "core_hours": {cause: seconds / HOUR_S for cause, seconds in causes.items()},
        "gb_hours": {cause: seconds / GB / HOUR_S for cause, seconds in gb.items()},
        "claims": {"opened": measures.claims, "most": measures.most_claims,
                   "mean_s": measures.claim_s / (measures.claims or 1),
                   "core_hours": measures.held_cores_s / HOUR_S,
                   "gb_hours": measures.held_memory_s / GB / HOUR_S},
        "reasons": dict(measures.reasons.most_common(5)), "notes": measures.notes,
    }


def _spread(values: array[float]) -> dict[str, float]:
    if not values:
        return {"mean": 0.0, "median": 0.0, "high": 0.0, "most": 0.0}
    ordered = sorted(values)
    return {"mean": statistics.fmean(ordered), "median": ordered[len(ordered) // 2],
            "high": ordered[len(ordered) * 95 // 100], "most": ordered[-1]}


def as_text(found: dict[str, Any]) -> list[str]:
    """The lines for a user, out of as_json."""
    lines = [m.SIMULATED_CLUSTER(
        name=found["cluster"], agents=counted(found["agents"], "agent"), cores=found["cores"],
        memory=found["memory_mb"] / GB, seed=found["seed"])]
    for run in found["runs"]:
        lines += _run_lines(run)
    lines += [m.SIMULATED_RIVAL(name=without_controls(r["name"]), finished=counted(r["finished"], "task"),
                                last=r["last_s"]) for r in found["others"]]
    use, fair, real = found["utilisation"], found["fairness"], found["real_time"]
    lines.append(m.SIMULATED_USE(waited=use["while_waiting_s"], cores=use["cores"], memory=use["memory"]))
    if fair["contended_s"]:
        parts = ", ".join(f"{without_controls(name)} {lack:.3f}" for name, lack in fair["lacking"].items())
        lines.append(m.SIMULATED_FAIR(
            mean=fair["error_mean"], contended=fair["contended_s"], most=fair["error_most"], jain=fair["jain_mean"],
            parts=parts))
    lines.append(m.SIMULATED_SPEED(
        decisions=found["decisions"], real=real["seconds"], rate=real["decisions_per_s"]))
    return lines


def _run_lines(run: dict[str, Any]) -> list[str]:
    wait, slow, claims = run["wait_s"], run["bounded_slowdown"], run["claims"]
    whole = sum(run["core_hours"].values()) or 1.0
    parts = ", ".join(f"{hours / whole:.1%} {cause}" for cause, hours in run["core_hours"].items() if hours > 0)
    head = m.SIMULATED_RUN(name=without_controls(run["name"]), finished=run["finished"],
                             tasks=counted(run["tasks"], "task"), makespan=run["makespan_s"], attempts=run["attempts"])
    lines = []
    if run["failed"]:
        why = next(iter(run["reasons"]), "")
        lines.append(m.SIMULATED_FAILED(failed=run["failed"], skipped=run["skipped"], why=why))
    lines += [
            m.SIMULATED_WAITS(mean=wait["mean"], median=wait["median"], high=wait["high"], most=wait["most"],
                              slow_mean=slow["mean"], slow_high=slow["high"]),
            m.SIMULATED_COST(cores=claims["core_hours"], memory=claims["gb_hours"], parts=parts),
            m.SIMULATED_CLAIMS(claims=counted(claims["opened"], "claim"), most=claims["most"], mean=claims["mean_s"]),
            *run["notes"]]
    return [head, *(f"  {line}" for line in lines)]


def time_line(found: dict[str, Any], bars: str, width: int = 60) -> list[str]:
    """Cores in use and tasks that wait, over time, as one line of characters each."""
    samples = found["timeline"]
    if not samples:
        return []
    picked = [samples[i * len(samples) // width] for i in range(min(width, len(samples)))]
    rows = (("cores in use", [s[4] for s in picked], found["cores"]),
            ("tasks waiting", [s[1] for s in picked], max(s[1] for s in samples)))
    return [f"{name:>13} {_bars(values, most, bars)} {most:g}" for name, values, most in rows]


def _bars(values: Sequence[float], most: float, bars: str) -> str:
    return "".join(bars[min(int(v / most * len(bars)), len(bars) - 1)] if most and v > 0 else " " for v in values)


def plot(found: dict[str, Any], path: str) -> None:
    """Cores and tasks over time. Raises ImportError without matplotlib, OSError and ValueError for a file that cannot
    be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    times = [s[0] for s in found["timeline"]]
    above.plot(times, [s[5] for s in found["timeline"]], label="in claims")
    above.plot(times, [s[4] for s in found["timeline"]], label="in use")
    above.axhline(found["cores"], color="grey", linewidth=0.5)
    above.set(ylabel="cores", ylim=(0, found["cores"] * 1.05))
    above.legend()
    below.plot(times, [s[1] for s in found["timeline"]], label="waiting")
    below.plot(times, [s[2] for s in found["timeline"]], label="running")
    below.set(xlabel="seconds", ylabel="tasks")
    below.legend()
    figure.savefig(path)
