"""--placement NAME[=VALUE] of run, makeflow and factory: refused at once if unknown, otherwise given to the core."""
from __future__ import annotations

import pytest
from click.testing import CliRunner

from mfmesos.cli.command_line import main
from mfmesos.core.policies.first_fit import FirstFit
from mfmesos.core.policies.registry import chosen
from mfmesos.scheduler.parts import policy_of
from mfmesos.settings.config import SchedulerConfig


@pytest.mark.parametrize("command", ["run", "makeflow", "factory"])
def test_an_unknown_placement_is_bad_usage(command, tmp_path):
    """Exit code 2, and one line with the nearest name; nothing starts."""
    done = CliRunner().invoke(main, [command, "--placement", "frist", str(tmp_path)])
    assert done.exit_code == 2
    assert "no policy has the name frist; choose first" in done.output


def test_the_setting_reaches_the_core(tmp_path):
    """Also through the settings' file, as a scheduler that is started again reads it."""
    file = tmp_path / "settings"
    SchedulerConfig(workdir="/w", placement="first").save(file)
    assert isinstance(chosen(policy_of(SchedulerConfig.load(file))).placement, FirstFit)
    with pytest.raises(ValueError, match="no policy has the name x"):
        chosen(policy_of(SchedulerConfig("/w", placement="x")))
