"""What the page of a run asks the record: sums. Its table of tasks is in web.task_table."""
from __future__ import annotations

from typing import Any

from mfmesos.store.run_reading import Row, RunReader

MOST_POINTS = 1000
_MEASURED = (("s", "wall_s", "asked_wall_s", ""), ("mb", "used_memory_mb", "asked_memory_mb", "memory_mb"),
             ("cores", "used_cores", "asked_cores", "cores"), ("disk_mb", "used_disk_mb", "asked_disk_mb", "disk_mb"))
"""Names, with the columns of what was used, requested and allocated."""


class RunPages(RunReader):
    """Every method raises RecordError. `run`: the number of the run."""

    def categories(self, run: int) -> list[Row]:
        """What their tasks took; those with most run time first. Of finished tasks the mean and of all that ran the
        most that they used, of all the means of what they requested and were allocated: `s`, `mb`, `cores`, `disk_mb`.
        """
        sums = [
            f"avg(CASE WHEN state = 'finished' THEN {used} END) AS mean_{name},"
            f" max(CASE WHEN started IS NOT NULL THEN {used} END) AS most_{name},"
            f" avg({asked if self._knows('tasks', asked) else 'NULL'}) AS asked_{name}"
            + (f", avg(CASE WHEN started IS NOT NULL THEN {given} END) AS given_{name}" if given else "")
            for name, used, asked, given in _MEASURED]
        return self._rows(
            "SELECT category, count(*) AS tasks, sum(state = 'failed') AS failed, sum(max(attempts - 1, 0)) AS retries,"
            f" sum(wall_s) AS run_s, {', '.join(sums)} FROM tasks WHERE run = ? GROUP BY category"
            " ORDER BY run_s DESC LIMIT 200", run)

    def by_category(self, run: int) -> list[tuple[str, str, int, float, float]]:
        """See views.metrics."""
        return self._tuples("SELECT category, state, count(*), sum(cpu_s), sum(wall_s) FROM tasks WHERE run = ?"
                            " GROUP BY category, state", run)

    def claims(self, run: int) -> list[Row]:
        """With what ended in each; open ones and the latest first."""
        if not self._knows("claims", "claim"):
            return []
        return self._rows(
            "SELECT c.claim, c.agent, c.host, c.opened, c.ended, c.cores, c.memory_mb, ifnull(t.tasks, 0) AS tasks,"
            " t.failed, t.cpu_s FROM claims c LEFT JOIN (SELECT claim, count(*) AS tasks,"
            " sum(state = 'failed') AS failed, sum(cpu_s) AS cpu_s FROM tasks WHERE run = ?1 GROUP BY claim) t"
            " ON t.claim = c.claim WHERE c.run = ?1 ORDER BY c.ended IS NOT NULL, c.opened DESC LIMIT 200", run)

    def held(self, run: int) -> list[Row]:
        """The latest MOST_POINTS samples, oldest first."""
        if not self._knows("samples", "at"):
            return []
        return self._rows("SELECT at, claims, cores, memory_mb, running, waiting FROM samples WHERE run = ?"
                          f" ORDER BY at DESC LIMIT {MOST_POINTS}", run)[::-1]

    def changes(self, run: int, event: str, begin: float, width: float, points: int) -> list[tuple[Any, ...]]:
        """What attempts take when they are "started" or "ended", by the interval of `width` seconds since `begin`: its
        number, then sums of allocated cores, used cores, allocated MB and peaks in MB, each followed by the sum of the
        parts that belong to the next interval, see run_sums.Steps.change.
        """
        when = {"started": "min(started, ended)", "ended": "ended"}[event]
        sums = ", ".join(f"sum({name}), sum({name} * late)" for name in ("cores", "used", "memory_mb", "peak"))
        each = (f"SELECT min(max(({when} - ?2) / ?3, 0.0), ?4) AS place, cores, memory_mb,"
                " CASE WHEN ended > started THEN cpu_s / (ended - started) ELSE 0.0 END AS used")
        ran = "WHERE run = ?1 AND started IS NOT NULL AND claim <> ''"
        return self._tuples(
            f"SELECT interval, {sums} FROM (SELECT CAST(place AS INTEGER) AS interval,"
            " place - CAST(place AS INTEGER) AS late, cores, memory_mb, used, peak FROM"
            f" ({each}, used_memory_mb AS peak FROM tasks {ran}"
            f" UNION ALL {each}, 0.0 AS peak FROM attempts {ran})) GROUP BY interval",
            run, begin, width, float(points))

    def _knows(self, table: str, column: str) -> bool:
        return column in self._has[table]
