"""Tasks that share a large input, some of which write to it, on both clusters: every output is right."""
from __future__ import annotations

import hashlib
import json
import re
import shutil

import pytest
from flows import Ended, Flow, nothing_stays

BIG = bytes(range(256)) * (3 << 12)  # 3 MB
DIGEST = hashlib.sha256(BIG).hexdigest()
READS, WRITES = 6, 3
AGENTS = 2
"""Of either cluster, at most."""
CHANGED = hashlib.sha256(BIG + b"x\n").hexdigest()


def commands() -> list[tuple[str, str, str]]:
    """Output, command, and the digest in the output."""
    read = [(f"r{n}", f"sleep 0.3; sha256sum big | cut -d ' ' -f 1 > r{n}", DIGEST) for n in range(READS)]
    write = [(f"w{n}", f"echo x >> big; sha256sum big | cut -d ' ' -f 1 > w{n}", CHANGED) for n in range(WRITES)]
    return [task for pair in zip(read, [*write, *write]) for task in pair][:2 * WRITES] + read[WRITES:]


@pytest.fixture
def flow(cluster, tmp_path):
    with nothing_stays(cluster):
        yield Flow(tmp_path / "flow", cluster)


def makeflow(flow: Flow, history: str) -> Ended:
    flow.write("Makeflow", "\n".join(f"{output}: big\n\t{command}\n" for output, command, _ in commands()))
    return flow.end(flow.start("makeflow", "--history", history, "--master", flow.cluster.master, "--", "Makeflow"))


def run(flow: Flow, history: str) -> Ended:
    tasks = [{"command": c, "inputs": ["big"], "outputs": [o], "cores": 1} for o, c, _ in commands()]
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    return flow.run("--history", history, "tasks.jsonl")


@pytest.mark.parametrize("engine", [makeflow, run])
def test_writers_and_readers_of_one_input(flow, tmp_path, engine):
    """Six readers and three writers: all finish at the first go, each with the content that it would have had alone;
    the user's own file is as it was, and the writers' category is reported once, and known to the next run."""
    (flow.folder / "big").write_bytes(BIG)
    for reports in (1, 0):
        ended = engine(flow, str(tmp_path / "history"))
        assert ended.code == 0, ended.out + flow.log()
        for output, _, digest in commands():
            assert (flow.folder / output).read_text().strip() == digest, output
        assert (flow.folder / "big").read_bytes() == BIG
        assert ended.out.count("which tasks shared, was changed") == reports, ended.out
        for path in flow.folder.iterdir():
            if path.name != "big":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_claims_of_one_agent_fetch_once(flow, tmp_path):
    """Each task in a claim of its own, all at the same time: of eight claims, one on each agent fetches the input; on a
    machine so slow that another loses patience with it, two.
    """
    (flow.folder / "big").write_bytes(BIG)
    together = tmp_path / "together"
    together.mkdir()
    meet = f"while [ $(ls {together} | wc -l) -lt 8 ]; do sleep 0.05; done"
    tasks = [{"command": f"touch {together}/{n}; {meet}; sha256sum big | cut -d ' ' -f 1 > o{n}", "inputs": ["big"],
              "outputs": [f"o{n}"], "cores": 0.5, "memory": 50, "disk": 20} for n in range(8)]
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    ended = flow.run("--claims", "per-task", "tasks.jsonl")
    assert ended.code == 0, ended.out + flow.log()
    assert {(flow.folder / f"o{n}").read_text().strip() for n in range(8)} == {DIGEST}
    (sent,) = re.findall(r"inputs_sent_bytes=(\d+)", flow.log())
    assert len(BIG) <= int(sent) <= 2 * AGENTS * len(BIG)
