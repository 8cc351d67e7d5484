"""--placement NAME[=VALUE] of run, makeflow and factory: refused at once if unknown, otherwise given to the core."""
from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from mfmesos.cli.command_line import main
from mfmesos.core.policies import registry
from mfmesos.core.policies.first_fit import FirstFit
from mfmesos.core.policies.registry import chosen
from mfmesos.scheduler.parts import policy_of
from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared.choices import OFFERS, PLACEMENTS, check_offers, check_placement


@pytest.mark.parametrize("command", ["run", "makeflow", "factory"])
def test_an_unknown_placement_is_bad_usage(command, tmp_path):
    """Exit code 2, and one line with the nearest name; nothing starts."""
    done = CliRunner().invoke(main, [command, "--placement", "frist", str(tmp_path)])
    assert done.exit_code == 2
    assert "no policy has the name frist; choose first" in done.output


def test_an_unknown_placement_of_a_category_is_bad_usage(tmp_path):
    """As well as one without a name."""
    for text in ("align=frist", "align"):
        done = CliRunner().invoke(main, ["run", "--place", text, str(tmp_path)])
        assert done.exit_code == 2
        assert "no policy has the name" in done.output


def test_names_are_those_of_the_core():
    """The command line knows them without the core: each is refused or accepted by both."""
    assert set(PLACEMENTS) == set(registry.PLACEMENTS)
    assert set(OFFERS) == set(registry.OFFERS)
    for name in (*PLACEMENTS, *OFFERS):
        for text in (name, f"{name}=x", f"{name}=", f"{name}=3"):
            assert refused(check_placement, text) == refused(registry.placement, text), text
            assert refused(check_offers, text) == refused(lambda one: registry.made(registry.OFFERS, one), text), text


def refused(check: Callable[[str], object], text: str) -> str:
    try:
        check(text)
    except ValueError as e:
        return str(e)
    return ""


def test_the_setting_reaches_the_core(tmp_path):
    """Also through the settings' file, as a scheduler that is started again reads it."""
    file = tmp_path / "settings"
    SchedulerConfig(workdir="/w", placement="first", placements={"b": "pack", "a": "spread=rack"}).save(file)
    policy = policy_of(SchedulerConfig.load(file))
    assert isinstance(chosen(policy).placement, FirstFit)
    assert policy.placements == (("a", "spread=rack"), ("b", "pack"))
    with pytest.raises(ValueError, match="no policy has the name x"):
        chosen(policy_of(SchedulerConfig("/w", placement="x")))
