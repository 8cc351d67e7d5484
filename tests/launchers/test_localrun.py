"""Which master a command talks to: others than `local` are only looked at."""
from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading

import pytest

from mfmesos.launchers.localrun import local_cluster
from mfmesos.local.fetcher import Fetcher
from mfmesos.settings.config import ConfigError, SchedulerConfig


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


PROXIES = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:9")


def test_the_embedded_cluster_behind_a_proxy(tmp_path):
    """Whatever proxies the user's environment names: the cluster starts, and tasks run on it."""
    (tmp_path / "tasks.jsonl").write_text('{"command": "echo a > a", "outputs": ["a"]}\n')
    done = subprocess.run(
        [sys.executable, "-m", "mfmesos", "run", "--plain", "--no-history", "tasks.jsonl"], cwd=tmp_path,
        env={**os.environ, **PROXIES}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a").read_text() == "a\n"


def test_the_fetcher_goes_straight_to_this_machine(tmp_path, monkeypatch):
    """An archive that --executor-uri has on this machine is not looked for at a proxy."""
    for name, value in PROXIES.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "file").write_text("x")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **more):
            super().__init__(*args, directory=str(tmp_path), **more)

        def log_message(self, *_):
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sandbox = tmp_path / "sandbox"
        sandbox.mkdir()
        uri = {"value": f"http://127.0.0.1:{server.server_address[1]}/file"}
        Fetcher(tmp_path / "cache").fetch([uri], sandbox)
        server.shutdown()
    assert (sandbox / "file").read_text() == "x"
