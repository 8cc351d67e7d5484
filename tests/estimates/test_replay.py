"""The accounting of replays, and the trace files for them."""
from __future__ import annotations

import families
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.cli.command_line import main
from mfmesos.estimates.baselines import all_baselines
from mfmesos.estimates.replay import Learned, Row, Score, replay
from mfmesos.settings.config import ConfigError
from mfmesos.views import tracefile

HEADER = ",".join(tracefile.COLUMNS)


class Fixed:
    """Gives the same to all, doubles, and records each call."""

    def __init__(self, first: float) -> None:
        self.amount = first
        self.heard: list[str] = []

    def first(self, row):
        self.heard.append(f"{row.category} starts")
        return self.amount

    def retry(self, row, allocation):
        return allocation * 2

    def done(self, row, exhausted):
        self.heard.append(f"{row.category} ends after {len(exhausted)}")


def test_failed_attempts_are_charged_in_full():
    """10 s at 100, 200 and 400 MB for a peak of 300: 4,000 of 7,000 MB s are waste; two retries for one task."""
    assert replay([Row("a", 300.0, 10.0, 500.0)], Fixed(100)) == Score(pytest.approx(4 / 3), 200.0)


def test_waste_is_summed_over_the_trace():
    """Long and large tasks count for what they hold, not one each."""
    rows = [Row("a", 100.0, 1.0, 200.0), Row("b", 200.0, 9.0, 200.0)]
    assert replay(rows, Fixed(200)).waste == pytest.approx(100 / 1900)
    assert replay([], Fixed(200)) == Score(0.0, 0.0)


def test_sequentially_every_earlier_task_is_known():
    """Each task ends before the next starts, and its failed attempts are counted."""
    policy = Fixed(100)
    replay([Row("a", 150.0, 1.0, 200.0), Row("b", 50.0, 1.0, 200.0)], policy)
    assert policy.heard == ["a starts", "a ends after 1", "b starts", "b ends after 0"]


def test_causally_only_those_that_had_ended_are_known():
    """Tasks side by side do not know each other; one that starts as another ends does."""
    policy = Fixed(100)
    replay([Row("a", 50.0, 4.0, 200.0, start_s=0.0, end_s=4.0), Row("b", 50.0, 4.0, 200.0, start_s=1.0, end_s=5.0),
            Row("c", 50.0, 4.0, 200.0, start_s=4.0, end_s=8.0)], policy, causal=True)
    assert [h.split(" after")[0] for h in policy.heard] == [
        "a starts", "b starts", "a ends", "c starts", "b ends", "c ends"]


def test_causally_needs_times():
    """Without times there is no telling what was known."""
    with pytest.raises(ValueError, match="row 1 has no start or end"):
        replay([Row("a", 50.0, 4.0, 200.0)], Fixed(100), causal=True)


def test_every_policy_ends_on_every_family():
    """Sequentially and causally, scores are finite and no policy but ours retries without bound."""
    for kind in families.KINDS:
        rows = families.with_times(families.workflow(kind, 3, 3, (5, 30)), 8)
        for _, policy in all_baselines():
            assert replay(rows, policy, causal=True).waste >= 0
        assert replay(rows, Learned(), causal=True).waste > 0


def test_baselines_by_hand():
    """Three tasks of 100, 200 and 150 MB, one second each, 400 declared: what each baseline gives is worked out."""
    rows = [Row("a", p, 1.0, 400.0) for p in (100.0, 200.0, 150.0)]
    scores = {name: replay(rows, policy) for name, policy in all_baselines()}
    assert scores["declared"].waste == pytest.approx((1200 - 450) / 450)
    # 400, 100 and then 400, 200
    assert scores["max seen"] == Score(pytest.approx((1100 - 450) / 450), pytest.approx(100 / 3))
    assert scores["max seen x 1.1"].waste == pytest.approx((400 + 110 + 400 + 220 - 450) / 450)
    assert scores["95th percentile"].waste == pytest.approx((400 + 100 + 200 + 195 - 450) / 450)
    assert scores["Ponder-like"] == scores["Tovar, min waste"] == scores["declared"]


def test_tovar_settles_on_a_bucket_after_25_tasks():
    """Cheap tasks of 100 MB, declared 1000: from the 26th on a bucket of 250 MB."""
    rows = [Row("a", 100.0, 1.0, 1000.0)] * 30
    tovar = dict(all_baselines())["Tovar, min waste"]
    assert replay(rows, tovar).waste == pytest.approx((25 * 1000 + 5 * 250 - 3000) / 3000)


@given(st.text(max_size=200) | st.lists(st.text("a1.,-\n\"e", max_size=30)).map(lambda x: "\n".join([HEADER, *x])))
def test_any_text_is_read_or_refused_in_one_line(text):
    """An invalid trace is a ConfigError of one line that begins with file and line."""
    refused = ""
    try:
        tracefile.parse(text.splitlines(keepends=True), "t.csv")
    except ConfigError as e:
        refused = str(e)
    assert not refused or (refused.startswith("t.csv:") and "\n" not in refused)


@pytest.mark.parametrize(("line", "said"), [
    ("a,1,100,fifty,1,0,0,1", "t.csv:2: peak_mb is 'fifty', not a number"),
    ("a,1,100,50,-1,0,0,1", "t.csv:2: seconds is '-1'; it must be finite and not negative"),
    ("a,1,100,50,inf,0,0,1", "t.csv:2: seconds is 'inf'"),
    ("a,1,,50,1,0,0,1", "t.csv:2: declared_mb is empty"),
    (",1,100,50,1,0,0,1", "t.csv:2: category is empty"),
    ("a,1,100,50,1,0,5,1", "t.csv:2: end_s is before start_s"),
    ("a,1", "t.csv:2: the number of fields"),
    ("a,1,100,50,1,0,0,1,9", "t.csv:2: the number of fields"),
    ("a,1,100,50,1,0,,", "t.csv:2: start_s is empty, and --causal needs"),
])
def test_a_bad_line_is_named_with_its_cure(line, said):
    """File, line and what to do."""
    with pytest.raises(ConfigError) as e:
        tracefile.parse([f"{HEADER}\n", f"{line}\n"], "t.csv", causal=True)
    assert str(e.value).startswith(said)


def trace(tmp_path, rows):
    """A trace file of these rows."""
    path = tmp_path / "t.csv"
    path.write_text("\n".join([HEADER, *(
        f"{r.category},{r.input_mb},{r.declared_mb},{r.peak_mb},{r.seconds},,{r.start_s},{r.end_s}" for r in rows)]))
    return path


def test_the_command_prints_the_score_of_the_live_estimator_last(tmp_path):
    """`mfmesos estimates replay` scores exactly what core.replay does, with three decimals, baselines before it."""
    rows = families.with_times(families.workflow("linear", 1, 3, (10, 20)), 4)
    path = str(trace(tmp_path, rows))
    for causal in ([], ["--causal"]):
        result = CliRunner().invoke(main, ["estimates", "replay", path, *causal])
        assert result.output == f"{replay(rows, Learned(), causal=bool(causal))}\n"
    result = CliRunner().invoke(main, ["estimates", "replay", path, "--baselines"])
    assert len(result.output.splitlines()) == 1 + len(all_baselines())
    assert result.output.splitlines()[-1] == str(replay(rows, Learned()))


def test_a_trace_that_is_not_there_is_one_line(tmp_path):
    """Exit 1 and one line on stderr for a missing, an empty and a binary file."""
    binary, empty = tmp_path / "b.csv", tmp_path / "e.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    empty.write_text(HEADER)
    for path in (tmp_path / "none.csv", binary, empty, tmp_path):
        result = CliRunner().invoke(main, ["estimates", "replay", str(path)])
        assert result.exit_code == 1
        assert result.output.startswith(f"mfmesos: {path}")
        assert len(result.output.splitlines()) == 1
