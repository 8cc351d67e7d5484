"""Symbolic links among the outputs: sent as what they lead to, kept as links, or refused."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
from mfmesos_executor import outputs
from mfmesos_executor.sandbox import Sandbox

from mfmesos.shared.wire import Input, Run

WORKDIR = "/nowhere/flow"


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Delivers d and e; i is an input, and /abs/x one with an absolute name."""
    inputs = [Input(name=name, digest="d", size=1, mode=0o644, kind="file") for name in ("i", "/abs/x")]
    made = Sandbox(str(tmp_path / "s"), Run(
        attempt="1.1", workdir=WORKDIR, command="true", inputs=inputs, outputs=["d", "e"], cores=1, memory_mb=1,
        disk_mb=1, gpus=0))
    for name in ("d/f", "e/f", "i", "/abs/x"):
        path = Path(made.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "elsewhere").write_text("x")
    return made


@pytest.mark.parametrize(("target", "kept"), [
    ("f", "f"), ("../e/f", "../e/f"), ("{work}/e/f", "../e/f"), ("../e", "../e"), ("..", ".."),
    ("../i", None), ("{work}/i", None),
    ("../gone", "../gone"), ("{work}/gone", "../gone"), ("gone", "gone"),
    ("{root}/abs/abs/x", None), ("{root}/abs/gone", "{root}/abs/gone"),
    (f"{WORKDIR}/z", "../z"), (f"{WORKDIR}/d/z", "z"),
    ("/usr/bin/env", "/usr/bin/env"), ("/dev/null", "/dev/null"), ("/gone/for/good", "/gone/for/good"),
    ("{root}/../elsewhere", "refused"), ("../../../elsewhere", "refused"), ("../../../../gone", "refused"),
], ids=["delivered", "delivered in another folder", "by its whole path", "a delivered folder", "round about",
        "an input", "an input by its whole path", "nothing", "nothing by its whole path", "nothing beside it",
        "an absolute input", "nothing in the sandbox", "the workflow's folder", "the same folder there",
        "a program", "the null device", "nothing anywhere", "a file of the agent", "relative to a file of the agent",
        "relative to nothing"])
def test_what_becomes_of_a_link(sandbox: Sandbox, target: str, kept: str | None) -> None:
    """Of d/link: its target in the workflow's folder, or None where what it leads to is sent."""
    places = {"work": sandbox.work, "root": sandbox.root}
    path = sandbox.path("d/link")
    os.symlink(target.format(**places), path)
    links = outputs.Links(sandbox, outputs.roots(sandbox))
    if kept == "refused":
        with pytest.raises(outputs.BadOutput, match="output d/link is a symbolic link that leads out"):
            links.kept("d/link", path)
    else:
        assert links.kept("d/link", path) == (kept and kept.format(**places))
