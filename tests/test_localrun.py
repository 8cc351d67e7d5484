"""Which master a command talks to: others than `local` are only looked at."""
from __future__ import annotations

import pytest

from mfmesos.config import ConfigError, SchedulerConfig
from mfmesos.localrun import local_cluster


@pytest.mark.parametrize("master", ["h:5050", "a:1,b:2", "zk://a,b/mesos"])
def test_a_master_elsewhere_is_left_as_it_is(master):
    """No cluster is started for it, nothing is asked of it yet."""
    config = SchedulerConfig("/w", master=master)
    with local_cluster(config) as resolved:
        assert resolved == config


@pytest.mark.parametrize("master", ["bogus:x", "https://h:1", "zk://a", ""])
def test_what_is_no_master_is_refused(master):
    """In one line, before anything starts."""
    with pytest.raises(ConfigError, match=r"^master\b") as refused, local_cluster(SchedulerConfig("/w", master=master)):
        pass
    assert "\n" not in str(refused.value)
