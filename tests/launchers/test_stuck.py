"""What keeps a makeflow with nothing running from running the rest, and when one counts as spinning."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mfmesos.launchers.makeflow_args import parse
from mfmesos.launchers.makeflow_session import Effort, MakeflowSession
from mfmesos.launchers.makeflow_verdict import Verdict
from mfmesos.launchers.stuck import Rule, cycle, in_words, read_rules, reason
from mfmesos.store.makeflow_log import LogFollower

REST = Verdict(bad=True, rest=2)


def rules(*pairs: str) -> list[Rule]:
    """OUTPUTS:INPUTS each, names divided by commas."""
    halves = [pair.split(":") for pair in pairs]
    return [Rule(tuple(filter(None, ins.split(","))), tuple(outs.split(","))) for outs, ins in halves]


@pytest.mark.parametrize(("given", "found"), [
    (["a:in", "b:a", "c:a,b"], []),
    (["a:b", "b:a"], ["a", "b"]),
    (["a:a"], ["a"]),
    (["x:in", "c:x,e", "d:c", "e:d", "f:e"], ["c", "e", "d"]),
    (["a,a2:./b", "b:d/../a2"], ["a2", "b"]),
])
def test_cycle(given: Sequence[str], found: list[str]) -> None:
    """Each file needs the next one; begun with the first rule of the workflow. Names are compared as paths."""
    assert [Path(name).name for name in cycle(rules(*given))] == found


def test_long_cycle() -> None:
    """10,000 rules are no matter, and ten needs are shown."""
    names = cycle(rules(*(f"o{i}:o{(i + 1) % 10_000}" for i in range(10_000))))
    assert len(names) == 10_000
    words = in_words(names)
    assert words.startswith("o0 needs o1, o1 needs o2,")
    assert words.endswith("... (9990 more), o9999 needs o0")


def test_reason_without_the_rules(tmp_path: Path) -> None:
    """makeflow_viz is not there: neither guessed nor silent."""
    args = parse(["flow"], {})
    assert read_rules(tmp_path / "makeflow", args, {"PATH": str(tmp_path)}, tmp_path) is None
    assert "makeflow_viz" in reason(args, None, tmp_path, REST)
    assert "2 rules cannot run: outputs of failed rules are missing" in reason(
        args, None, tmp_path, Verdict(bad=True, failed=1, rest=2))


class Watched(MakeflowSession):
    """A session whose clock and makeflow's effort are set by the test; `spun` shows whether makeflow was ended."""

    effort = Effort()
    now = 0.0

    def _effort(self) -> Effort:
        return self.effort

    def after(self, seconds: float, cpu_s: float, read: int = 0) -> bool:
        """Look again when so much has been done; whether makeflow was ended."""
        self.now += seconds
        self.effort = Effort(self.effort.cpu_s + cpu_s, self.effort.read_bytes + read)
        self._watch_engine()
        return self.spun


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    log = tmp_path / "Makeflow.makeflowlog"
    log.write_text("# FILE 1 Makeflow.mesoslog 1 0\n")
    nothing: Any = SimpleNamespace()
    made = Watched(
        program="makeflow", binary=tmp_path, argv=[], cwd=tmp_path, workdir=tmp_path, environ={}, supervisor=nothing,
        echo=print, log=LogFollower(log), clock=lambda: made.now)
    made._watch_engine()
    return made


def say(watched: Watched, text: str) -> None:
    with watched.log.path.open("a") as f:
        f.write(text)


def test_reading_the_workflow_is_no_spin(watched: Watched) -> None:
    """Before makeflow notes its start it may compute for as long as it likes."""
    assert not watched.after(600, 600)
    say(watched, "# STARTED 5\n")
    assert not watched.after(1, 1)
    assert watched.after(5, 5)


def test_what_waits_or_reads_is_no_spin(watched: Watched) -> None:
    """No CPU time: it waits for something. Much read: it takes digests. On a busy machine a spin gets a fifth."""
    say(watched, "# STARTED 5\n")
    assert not watched.after(1, 1)
    assert not watched.after(10, 0.1)
    assert not watched.after(10, 10, read=50_000_000)
    assert watched.after(10, 2)


def test_a_running_rule_is_no_spin(watched: Watched) -> None:
    """LOCAL or not, while it runs makeflow is left alone; and when all have ended."""
    say(watched, "# STARTED 5\n6 0 1 1 1 1 0 0 0 2\n")
    assert not watched.after(1, 1)
    assert not watched.after(600, 600)
    say(watched, "7 0 2 1 1 0 1 0 0 2\n")
    assert not watched.after(1, 1)
    say(watched, "8 1 1 2 0 1 1 0 0 2\n9 1 2 2 0 0 2 0 0 2\n")
    assert not watched.after(1, 1)
    assert not watched.after(60, 60)


def test_many_rules_are_given_time(watched: Watched) -> None:
    """Between two rules a makeflow of 20,000 goes through them all."""
    say(watched, "# STARTED 5\n6 0 1 1 19999 1 0 0 0 20000\n7 0 2 1 19999 0 1 0 0 20000\n")
    assert not watched.after(1, 1)
    assert not watched.after(9, 9)
    assert watched.after(9, 9)
