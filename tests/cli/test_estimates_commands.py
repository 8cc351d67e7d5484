"""`mfmesos estimates`: what is known of each category, by the estimator that also serves live."""
from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mfmesos.cli.command_line import main
from mfmesos.core.attempt_record import Attempt
from mfmesos.store.history import History
from mfmesos.views.estimates_view import BARS, Category, categories, histogram

ONE = Attempt(1e9, "sim.py", "finished", input_mb=1.0, allocated_memory_mb=200.0, measured_memory_mb=100.0,
              measured_disk_mb=5.0, measured_cores=1.0, wall_s=10.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two categories: one of 100 MB, one that grows with its input, the newest of which exhausted its allocation."""
    path = tmp_path / "history.sqlite"
    with History(path) as history:
        history.add(replace(ONE, ended_at=1e9 + i, measured_memory_mb=98.0 + i % 5) for i in range(30))
        history.add(replace(ONE, ended_at=1e9 + i, category="bwa mem", input_mb=float(10 + 10 * i),
                            measured_memory_mb=50.0 + 20 * i) for i in range(30))
        history.add([replace(ONE, ended_at=1e9 + 99, category="bwa mem", outcome="exhausted:memory", input_mb=400.0)])
    return path


def run(path: Path, *args: str):
    return CliRunner().invoke(main, ["estimates", *args, "--history", str(path)])


def test_all_categories(path):
    """A line for each, with what the next task gets and what was wasted so far."""
    for args in ((), ("show",)):
        result = run(path, *args)
        assert result.exit_code == 0, result.output
        head, bwa, sim = result.output.splitlines()
        assert head.split()[-1] == "category"
        assert bwa.split()[:2] == ["31", "1"]
        number, exhausted, middle, most, following, usual, waste, name = sim.split()
        assert (number, exhausted, middle, most, usual, name) == ("30", "0", "100", "102", "10", "sim.py")
        assert 100 <= float(following) <= 115
        assert float(waste) == pytest.approx(1.0, abs=0.02)


def test_the_memory_of_gpus(path):
    """The usual peak, of attempts for which it is known."""
    assert "gpu_memory" not in run(path, "sim.py").output
    with History(path) as history:
        history.add(replace(ONE, ended_at=1e9 + 200 + i, measured_gpu_memory_mb=900.0 + i) for i in range(3))
    assert "902 MB, median 901 MB" in run(path, "sim.py").output


def test_one_category(path):
    """Its distribution, its allocation and why; by the size of the input where that matters."""
    result = run(path, "bwa mem")
    assert result.exit_code == 0, result.output
    assert "31 attempts, 30 finished, 1 exhausted" in result.output
    assert "memory: 50" in result.output
    assert "the next task gets" in result.output
    assert "with an input of 10 MB: " in result.output
    assert "with an input of 300 MB: 6" in result.output
    small = next(line for line in result.output.splitlines() if "input of 10 MB" in line)
    assert float(small.split()[-2]) < 200


def test_an_unknown_category(path):
    """One line that names those that look like it."""
    result = run(path, "sim")
    assert result.exit_code == 1
    assert result.output == "mfmesos: no category 'sim' in this history; similar names: 'sim.py'\n"


def test_no_history(tmp_path):
    """One line with the file; nothing is begun."""
    result = run(tmp_path / "none")
    assert result.exit_code == 1
    assert "no history found" in result.output
    assert not (tmp_path / "none").exists()


def test_a_bad_history(tmp_path):
    """One line."""
    (tmp_path / "bad").write_text("nonsense" * 500)
    result = run(tmp_path / "bad")
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1


def test_replay_is_still_a_command(tmp_path):
    """Not a category of that name."""
    result = CliRunner().invoke(main, ["estimates", "replay", str(tmp_path / "none.csv")])
    assert result.exit_code == 1
    assert "none.csv" in result.output


def test_the_plot_says_what_it_needs(path, monkeypatch):
    """Without matplotlib: one line with the cure, after the table."""
    real = builtins.__import__

    def importing(name, *args, **more):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", importing)
    result = run(path, "--plot", "x.png")
    assert result.exit_code == 1
    assert "mfmesos[plot]" in result.output.splitlines()[-1]


def test_the_plot(path, tmp_path):
    """A plot with every category; a file name that matplotlib does not support is reported."""
    result = run(path, "--plot", str(tmp_path / "x.png"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "cannot write the plot" in run(path, "--plot", str(tmp_path / "x.nothing")).output


def test_names_steer_no_terminal(tmp_path):
    """A history may be another's: what is printed of a category stays on its line, in the table and by itself."""
    path, name = tmp_path / "h", "a\x1b[31m\nb $x_ $y"
    with History(path) as history:
        history.add([replace(ONE, category=name)])
    for args in ((), (name,), ("--plot", str(tmp_path / "x.png"))):
        result = run(path, *args)
        assert result.exit_code == 0, result.output
        assert "a?[31m?b $x_ $y" in result.output
        assert "\x1b" not in result.output


def test_the_table_says_what_a_task_really_gets(tmp_path):
    """Whole MB and no less than the least, as the scheduler does and as the category by itself says."""
    path = tmp_path / "h"
    with History(path) as history:
        history.add([replace(ONE, measured_memory_mb=2.0 + i / 10, ended_at=1e9 + i) for i in range(9)])
    assert run(path).output.splitlines()[1].split()[4] == "16"
    assert "the next task gets 16 MB" in run(path, "sim.py").output


def test_a_picture_is_not_endless(tmp_path, monkeypatch):
    """The categories with the most attempts are drawn, and the number of the others is printed."""
    path = tmp_path / "h"
    monkeypatch.setattr("mfmesos.views.estimates_view.MOST_DRAWN", 2)
    with History(path) as history:
        history.add([replace(ONE, category=name) for name in "abbccc"])
    result = run(path, "--plot", str(tmp_path / "x.svg"))
    assert "1 categories with fewer attempts are not drawn" in result.output


def test_nothing_has_finished(tmp_path):
    """No estimate, and a line about that; nothing is drawn, and no error is reported."""
    path = tmp_path / "h"
    with History(path) as history:
        history.add([replace(ONE, outcome="exhausted:memory"), replace(ONE, outcome="failed")])
    assert run(path).output.splitlines()[1].split() == ["2", "1", "-", "-", "-", "-", "-", "sim.py"]
    alone = run(path, "sim.py", "--plot", str(tmp_path / "x.png"))
    assert alone.exit_code == 0, alone.output
    assert "no attempt has finished yet" in alone.output


def test_values_that_cannot_be_are_told(path):
    """They are not used, and the user reads how many."""
    with History(path) as history:
        history._db.execute("UPDATE attempts SET wall_s = -1 WHERE id = 2")
    assert "1 attempt with invalid values left out" in run(path).output


def test_a_category_named_as_a_command(tmp_path):
    """show before it makes it a category."""
    path = tmp_path / "h"
    with History(path) as history:
        history.add([replace(ONE, category="replay")])
    assert run(path, "show", "replay").output.startswith("replay\n1 attempt, ")


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50))
def test_a_histogram_shows_every_value(values):
    """As many characters as bins at most, and the fullest bin as the tallest bar."""
    drawn = histogram(values)
    assert len(drawn) in (1, 24)
    assert BARS[-1] in drawn
    assert set(drawn) <= {*BARS, " "}


def test_waste_is_that_of_the_replay():
    """Allocated beyond used, and exhausted attempts whole, over used."""
    attempts = [ONE, replace(ONE, outcome="exhausted:memory", wall_s=5.0)]
    assert categories(attempts)[0].waste() == pytest.approx((100 * 10 + 200 * 5) / (100 * 10))
    assert Category("x", []).waste() is None
