"""What is secret in a run stays so: looked for in files, processes, logs and everything that the cluster shows."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import sqlite3
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster, authentication_flags
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flows import Flow, outer_address
from support import need, wait_until

from mfmesos.staging.permits import derived_token

PRINCIPAL, WORD = "physics", "a-secret-that-nobody-else-has"
MASTER = (
    "/state",
    "/master/state",
    "/tasks",
    "/master/tasks",
    "/frameworks",
    "/slaves",
    "/state-summary",
    "/roles",
    "/flags",
    "/metrics/snapshot",
    "/system/stats.json",
    "/__processes__",
    "/files/debug",
    "/registrar(1)/registry",
)
AGENT = (
    "/state",
    "/slave(1)/state",
    "/containers",
    "/monitor/statistics",
    "/flags",
    "/files/debug",
    "/metrics/snapshot",
)
CALLS = (
    "GET_STATE",
    "GET_TASKS",
    "GET_EXECUTORS",
    "GET_FRAMEWORKS",
    "GET_FLAGS",
    "GET_CONTAINERS",
    "GET_AGENTS",
    "GET_OPERATIONS",
)
JOURNAL = {"journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"}


class Secrets:
    """What must not be found; `in_bytes` finds it as it is and inside of base64."""

    def __init__(self, journal: Path) -> None:
        with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
            meta = dict(db.execute("SELECT name, value FROM meta"))
            self.claims = [row[0] for row in db.execute("SELECT id FROM claims")]
        run = bytes.fromhex(meta["secret"])
        self.tokens = {claim: derived_token(run, f"claim {claim}") for claim in self.claims}
        self.url = f"{'https' if meta['tls'] else 'http'}://{{host}}:{meta['port']}"
        self.wanted = {f"token of {claim}": token.encode() for claim, token in self.tokens.items()}
        self.wanted |= {f"peers' secret of {c}": derived_token(run, f"peer {c}").encode() for c in self.claims}
        self.wanted |= {
            "any key, PEM": b"-----BEGIN PRIVATE KEY",  # executors have keys for their peers
            "secret of the run": meta["secret"].encode(),
            "secret of the run, raw": run,
            "principal's": WORD.encode(),
        }
        if meta["tls"]:
            key: Any = load_pem_private_key(meta["tls"].encode(), None)
            lines = [line for line in meta["tls"].splitlines() if not line.startswith("-")]
            self.wanted |= {
                "TLS key": key.private_numbers().private_value.to_bytes(32, "big"),
                "TLS key, PEM": lines[0].encode(),
            }

    def in_bytes(self, data: bytes) -> list[str]:
        shapes = [data]
        for run in re.findall(rb"[A-Za-z0-9+/]{40,}", data):
            shapes += [base64.b64decode(run[start : len(run) - (len(run) - start) % 4]) for start in range(4)]
        return sorted({what for what, wanted in self.wanted.items() for shape in shapes if wanted in shape})

    def in_files(self, folders: Iterable[Path]) -> dict[Path, list[str]]:
        """Every file that holds one."""
        found = {}
        for folder in folders:
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):
                    if path.is_file() and not path.is_symlink() and (what := self.in_bytes(path.read_bytes())):
                        found[path] = what
        return found

    def in_processes(self) -> list[str]:
        """Command lines and environments of every process of the machine that we may look at."""
        found = []
        for entry in os.listdir("/proc"):
            for part in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    if entry.isdigit() and (what := self.in_bytes(Path(f"/proc/{entry}/{part}").read_bytes())):
                        found.append(f"{entry} {part}: {what}")
        return found

    def in_endpoints(self, cluster: Cluster) -> tuple[list[str], int]:
        """What holds one; how many answered. All that may be asked is asked, with the operator's credential if any."""
        found, answered = [], 0
        asked: list[tuple[str, str, object]] = [(cluster.master, path, None) for path in MASTER]
        asked += [(agent, path, None) for agent in cluster.agents for path in AGENT]
        asked += [(at, "/api/v1", {"type": call}) for at in (cluster.master, *cluster.agents) for call in CALLS]
        for address, path, body in asked:
            status, answer = cluster.request(address, path, body)
            answered += status == 200
            if what := self.in_bytes(answer):
                found.append(f"{address}{path} {body}: {what}")
        return found, answered


class Events(threading.Thread):
    """What the master tells whoever subscribes to its events (a real one; the embedded cluster knows no such call)."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.heard = b""
        self._connection = http.client.HTTPConnection(cluster.master, timeout=60)
        self._connection.request(
            "POST",
            "/api/v1",
            json.dumps({"type": "SUBSCRIBE"}),
            {"Content-Type": "application/json", "Accept": "application/json"},
        )
        self._answer = self._connection.getresponse()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while piece := self._answer.read1(65536):
                self.heard += piece


@pytest.fixture
def guarded(make_cluster: Any, tmp_path: Path) -> Cluster:
    """A cluster that wants a principal and a secret from frameworks."""
    if make_cluster.kind == "real":
        made: Cluster = make_cluster(agents=1, flags=authentication_flags(tmp_path, PRINCIPAL, WORD))
        return made
    file = tmp_path / "credentials.json"
    file.touch(mode=0o600)
    file.write_text(f"{PRINCIPAL}:{WORD}\n")
    made = make_cluster(agents=1, flags={"secret-file": str(file)}, credential=(PRINCIPAL, WORD))
    return made


@pytest.fixture
def flow(guarded: Cluster, tmp_path: Path) -> Flow:
    made = Flow(tmp_path / "flow", guarded)
    made.write("secret", WORD + "\n", 0o600)
    made.write("in.txt", "x\n" * (1 << 20))
    return made


@contextlib.contextmanager
def running(flow: Flow, *args: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run whose one task waits and then looks around as a curious one would; returns the file that lets it
    continue."""
    go = flow.folder / "go"
    look = (
        "env > env.txt; cat /proc/$PPID/environ /proc/$PPID/cmdline > parent.txt; "
        "(for up in .. ../.. ../../.. ../../../.. ../../../../..; do cat $HOME/$up/*; done) > around.txt 2>/dev/null"
    )
    flow.write(
        "tasks.jsonl",
        json.dumps(
            {
                "command": f"{look}; touch {flow.folder}/looked; while [ ! -e {go} ]; do sleep 0.1; done; "
                "head -c 300000 /dev/zero > large",
                "inputs": ["in.txt"],
                "outputs": ["env.txt", "parent.txt", "around.txt", "large"],
            }
        )
        + "\n",
    )
    process = flow.start(
        "run",
        "--master",
        flow.cluster.master,
        "--principal",
        PRINCIPAL,
        "--secret-file",
        "secret",
        *args,
        "tasks.jsonl",
    )
    try:
        wait_until(lambda: (flow.folder / "looked").exists() or process.poll() is not None, 40, "the task to run")
        yield process, go
    finally:
        go.touch()
        if process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()


def status_of(url: str, token: str) -> int:
    """What the staging server answers to a claim that asks for a file that nobody has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as e:
        with e:
            return e.code


def test_no_secret_is_seen(flow: Flow, tmp_path: Path, own_history: None) -> None:
    """During and after a run with authentication, TLS and peer transfers: claims' tokens, their secrets for peers, the
    run's secret, the principal's and TLS keys are in files of mode 0600 alone, in no process list, environment, log,
    endpoint, event, sandbox or output.
    """
    cluster, address = flow.cluster, outer_address()
    need(
        address,
        "this machine has no address but loopback",
        "as root: ip link add mfmesos0 type dummy; ip addr add 192.0.2.77/32 dev mfmesos0; ip link set mfmesos0 up",
    )
    events = Events(cluster) if cluster.kind == "real" else None
    if events is not None:
        events.start()
    folders = (tmp_path, cluster.work_dir, Path(os.environ["XDG_DATA_HOME"]))
    with running(flow, "--listen", address, "--peer-transfers") as (process, go):
        assert process.poll() is None, flow.end(process).out
        secrets = Secrets(flow.folder / ".mfmesos" / "journal.sqlite")
        assert len(secrets.claims) == 1
        claim, token = secrets.claims[0], secrets.tokens[secrets.claims[0]]
        url = secrets.url.format(host=address) + f"/claims/{claim}/files/{'0' * 64}"
        assert (status_of(url, token), status_of(url, token[:-1])) == (404, 401), (
            "what is looked for is the real token"
        )
        assert secrets.in_bytes(b'{"data":"' + base64.b64encode(b'x"' + token.encode()) + b'"}') == [
            f"token of {claim}"
        ]
        files = secrets.in_files(folders)
        assert {p.name for p in files} <= JOURNAL | {"secret", "credentials.json"}
        assert JOURNAL & {p.name for p in files}
        assert {oct(p.stat().st_mode & 0o777) for p in files} == {"0o600"}
        assert secrets.in_processes() == []
        found, answered = secrets.in_endpoints(cluster)
        assert (found, answered >= 4) == ([], True)
        ours = [box / ".mfmesos" for box in cluster.sandboxes() if (box / ".mfmesos").exists()]
        assert [oct(folder.stat().st_mode & 0o777) for folder in ours] == ["0o700"]
        go.touch()
        ended = flow.end(process)
    assert ended.code == 0, ended.out + flow.log()
    assert {p.name for p in secrets.in_files(folders)} <= {"secret", "credentials.json"}
    assert secrets.in_bytes(ended.out.encode()) == []
    assert (
        secrets.in_bytes((flow.folder / "parent.txt").read_bytes() + (flow.folder / "around.txt").read_bytes()) == []
    )
    assert b"PK" in (flow.folder / "around.txt").read_bytes(), "the executor's own archive was among what it looked at"
    names = {line.partition("=")[0] for line in (flow.folder / "env.txt").read_text().splitlines()}
    assert not [
        n
        for n in names
        if re.search("TOKEN|SECRET|PASSW|CREDENTIAL|MESOS_(?!ATTEMPT)|LIBPROCESS|SSL", n.replace("MFMESOS", "MESOS"))
    ]
    if events is not None:
        wait_until(lambda: b"TASK_UPDATED" in events.heard, 10, "the master's events")
        assert b"TASK_ADDED" in events.heard
        assert secrets.in_bytes(events.heard) == []


def test_wrong_secret(flow: Flow) -> None:
    """Refused by the master, reported in one plain line without the secret; so is a secret that others may read."""
    flow.write("secret", "not-the-right-one\n", 0o600)
    flow.write("tasks.jsonl", '{"command": "true"}\n')
    argv = ("--principal", PRINCIPAL, "--secret-file", "secret", "tasks.jsonl")
    ended = flow.run(*argv)
    assert ended.code != 0
    ended.line_with("mfmesos: ", "401")
    flow.write("secret", WORD, 0o640)
    open_to_others = flow.run(*argv)
    assert open_to_others.code != 0
    open_to_others.line_with("chmod 600")
    for said in (ended.out, open_to_others.out, flow.log()):
        assert "not-the-right-one" not in said
        assert WORD not in said


def test_secret_from_the_environment(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good as well; neither makeflow's local rules nor tasks get it, and no log has it."""
    monkeypatch.setenv("MFMESOS_SECRET", WORD)
    flow.write("Makeflow", "here:\n\tLOCAL env > here\n\nthere:\n\tenv > there\n")
    ended = flow.end(flow.start(
        "makeflow", "--master", flow.cluster.master, "--principal", PRINCIPAL, "--", "Makeflow"))
    assert ended.code == 0, ended.out
    seen = "".join((flow.folder / name).read_text() for name in ("here", "there"))
    assert "PATH=" in seen
    assert WORD not in seen + ended.out + flow.log()
