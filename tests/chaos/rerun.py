"""Edit and run again: random edits of a random workflow, runs that are killed at random, and what must be true after.

    python tests/chaos/rerun.py [--rounds 500] [--seed 1] [--cluster embedded|real] [--keep DIR]

Each round edits the workflow in one folder (commands, variables, inputs, lines, outputs), gives the same command again,
perhaps killed and edited further in between, and compares every output with a plain evaluation. What no edit has
touched must not run; without a kill, what an edit has touched must.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "endtoend"), str(TESTS.parent)]

from clusters import KINDS, Cluster  # noqa: E402
from flows import Flow  # noqa: E402
from support import wait_until  # noqa: E402

TASKS = 8
MOST_TASKS = 14
KEPT = ".before-rerun"


@dataclass
class Step:
    """A task of the workflow; `name` is its own for good, whatever its line."""

    name: str
    word: str
    value: str
    raw: list[str]
    after: list[str]
    """Names of the steps that make its inputs."""
    kind: str
    """Its output: "file", "two" files, a "folder" of two, an "empty" file."""

    @property
    def outputs(self) -> list[str]:
        return {"file": [f"{self.name}.o"], "two": [f"{self.name}.o", f"sub/{self.name}.p"],
                "folder": [f"{self.name}.d"], "empty": [f"{self.name}.o"]}[self.kind]

    @property
    def files(self) -> list[str]:
        return [f"{self.name}.d/{x}" for x in "xy"] if self.kind == "folder" else self.outputs

    def line(self, steps: dict[str, Step], tally: Path) -> dict[str, Any]:
        made = [name for maker in self.after for name in steps[maker].files]
        inputs = [name for maker in self.after for name in steps[maker].outputs]
        folder = f"mkdir -p {self.name}.d; " if self.kind == "folder" else ""
        scripts = "".join(f"sh {name}; " for name in self.raw if name.startswith("script"))
        read = " ".join([*(name for name in self.raw if not name.startswith("script")), *made, "/dev/null"])
        text = f"{{ echo {self.word} $VALUE; {scripts}cat {read}; }}" if self.kind != "empty" else f": {self.word}"
        first, *rest = self.files
        copies = "".join(f"; cp {first} {name}" for name in rest)
        return {"command": f"echo {self.name} >> {tally}; {folder}{text} > {first}{copies}",
                "inputs": [*self.raw, *inputs], "outputs": self.outputs, "env": {"VALUE": self.value},
                "cores": 0.5, "memory": 50, "disk": 20}


@dataclass
class Workflow:
    """The plain evaluation, and the edits."""

    chance: random.Random
    folder: Path
    tally: Path
    steps: dict[str, Step] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    raw: dict[str, str] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    """Steps that an edit of this round has touched."""
    kept: list[bytes] = field(default_factory=list)
    """Contents that were put in place of outputs in this round."""
    count: int = 0

    def word(self) -> str:
        self.count += 1
        return f"w{self.count:06}"

    def begin(self) -> None:
        for number in range(3):
            self.write_raw(f"raw{number}", self.word() + "\n")
            self.write_raw(f"script{number}", f"echo {self.word()}\n")
        for _ in range(TASKS):
            self.insert()

    def write_raw(self, name: str, text: str) -> None:
        self.raw[name] = text
        (self.folder / name).write_text(text)

    # --- what must be true ----------------------------------------------------------------------
    def expected(self) -> dict[str, str]:
        """Every output file's content."""
        found: dict[str, str] = {}
        for name in self.steps:  # makers are older than who needs them
            step = self.steps[name]
            text = f"{step.word} {step.value}\n"
            text += "".join(self.raw[n].removeprefix("echo ") for n in step.raw if n.startswith("script"))
            text += "".join(self.raw[n] for n in step.raw if not n.startswith("script"))
            text += "".join(found[f] for maker in step.after for f in self.steps[maker].files)
            found.update(dict.fromkeys(step.files, "" if step.kind == "empty" else text))
        return found

    def touched(self) -> set[str]:
        """Steps that an edit has touched, and all that come after them."""
        found = set(self.dirty)
        for name, step in self.steps.items():
            if found & set(step.after):
                found.add(name)
        return found

    def text(self) -> str:
        lines = [json.dumps(self.steps[name].line(self.steps, self.tally)) + "\n" for name in self.order]
        return "".join(lines)

    # --- edits ----------------------------------------------------------------------------------
    def edit(self) -> str:
        """One edit; what it was."""
        edits: list[Callable[[], str]] = [
            self.command, self.variable, self.input, self.input, self.touch, self.insert, self.remove, self.swap,
            self.delete, self.damage, self.damage, self.touch_output, self.note]
        return self.chance.choice(edits)()

    def some(self) -> Step:
        return self.steps[self.chance.choice(self.order)]

    def command(self) -> str:
        step = self.some()
        step.word = self.word()
        self.dirty.add(step.name)
        return f"command of {step.name}"

    def variable(self) -> str:
        step = self.some()
        step.value = self.word()
        self.dirty.add(step.name)
        return f"variable of {step.name}"

    def input(self) -> str:
        """Of the same size, in the same place."""
        name = self.chance.choice(sorted(self.raw))
        self.write_raw(name, ("echo " if name.startswith("script") else "") + self.word() + "\n")
        self.dirty.update(step.name for step in self.steps.values() if name in step.raw)
        return f"content of {name}"

    def touch(self) -> str:
        name = self.chance.choice(sorted(self.raw))
        (self.folder / name).touch()
        return f"touch {name}"

    def touch_output(self) -> str:
        """Small files are known by their content; in a folder a new time counts as a change."""
        step = self.some()
        path = self.folder / step.files[0]
        if step.kind == "folder" or not path.is_file():
            return self.touch()
        path.touch()
        return f"touch {step.files[0]}"

    def note(self) -> str:
        """A file of the user's own in a folder that a task makes: an input of those who read the folder."""
        step = self.some()
        folder = self.folder / f"{step.name}.d"
        if not folder.is_dir():
            return self.touch()
        (folder / "note").write_text(self.word())
        self.dirty.update(other.name for other in self.steps.values() if step.name in other.after)
        return f"note in {step.name}.d"

    def insert(self) -> str:
        self.count += 1
        name = f"t{self.count}"
        after = self.chance.sample(sorted(self.steps), min(len(self.steps), self.chance.choice([0, 1, 1, 2])))
        raw = self.chance.sample(sorted(self.raw), self.chance.choice([0, 1, 1, 2]))
        kind = self.chance.choice(["file", "file", "two", "folder", "empty"])
        if len(self.steps) >= MOST_TASKS:
            return self.remove()
        self.steps[name] = Step(name, self.word(), self.word(), raw, after, kind)
        self.order.insert(self.chance.randint(0, len(self.order)), name)
        self.dirty.add(name)
        return f"insert {name}"

    def remove(self) -> str:
        """One that nothing comes after; its outputs stay where they are."""
        leaves = [n for n in self.order if not any(n in step.after for step in self.steps.values())]
        name = self.chance.choice(leaves)
        if len(self.steps) < 4:
            return self.insert()
        del self.steps[name]
        self.order.remove(name)
        self.dirty.discard(name)
        return f"remove {name}"

    def swap(self) -> str:
        self.chance.shuffle(self.order)
        return "other order of lines"

    def delete(self) -> str:
        step = self.some()
        name = self.chance.choice(step.outputs)
        if not os.path.lexists(self.folder / name):
            return self.swap()
        self.forget(self.folder / name)
        remove(self.folder / name)
        self.dirty.add(step.name)
        return f"delete {name}"

    def damage(self) -> str:
        step = self.some()
        name = self.chance.choice(step.files)
        path = self.folder / name
        if not path.is_file() or path.is_symlink():
            return self.swap()
        how = self.chance.choice(["write", "write", "empty", "dangle"])
        if how == "write":
            self.forget(path)
            text = self.word().encode()
            path.write_bytes(text)
            self.kept.append(text)
        elif how == "empty":
            if path.stat().st_size == 0:
                return self.swap()
            self.forget(path)
            os.truncate(path, 0)
        elif step.kind == "folder":
            self.forget(path.parent)
            shutil.rmtree(path.parent)
            path.parent.mkdir()
        else:
            self.forget(path)
            path.unlink()
            path.symlink_to("nowhere")
        self.dirty.add(step.name)
        return f"{how} {name}"

    def forget(self, path: Path) -> None:
        """Forget an output that a later edit removed: nothing of it is left to keep."""
        gone = [one.read_bytes() for one in (path, *path.rglob("*")) if one.is_file()]
        self.kept = [text for text in self.kept if text not in gone]


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


class Fuzz:
    """Rounds in one folder on a cluster that is shared."""

    def __init__(self, seed: int, cluster: Cluster, folder: Path) -> None:
        self.seed = seed
        self.chance = random.Random(f"rerun {seed}")
        self.flow = Flow(folder / "flow", cluster)
        self.tally = folder / "tally"
        self.workflow = Workflow(self.chance, self.flow.folder, self.tally)
        self.workflow.begin()
        self.story: list[str] = []

    def round(self) -> str:
        """Edit, run, compare; AssertionError with the story of the round. What was done, in one line."""
        self.story, self.tally_before = [], self.counted()
        flow = self.workflow
        flow.kept.clear()
        allowed: set[str] = set()
        kills = self.chance.choice([0, 0, 0, 1, 1, 2])
        for _ in range(kills):
            self.edits()
            allowed |= flow.touched()
            self.kill()
        self.edits()
        allowed |= flow.touched()
        self.check_dry_run(kills)
        self.run_to_end()
        self.compare(allowed, kills)
        flow.dirty.clear()
        return "; ".join(self.story)

    def edits(self) -> None:
        self.story += [self.workflow.edit() for _ in range(self.chance.choice([0, 1, 1, 2, 3]))]
        self.flow.write("tasks.jsonl", self.workflow.text())

    def argv(self, *more: str) -> list[str]:
        return ["run", "--master", self.flow.cluster.master, "--plain", "--no-history", *more, "tasks.jsonl"]

    def counted(self) -> Counter[str]:
        return Counter(self.tally.read_text().split()) if self.tally.exists() else Counter()

    def kill(self) -> None:
        process = self.flow.start(*self.argv())
        before, some = sum(self.counted().values()), self.chance.choice([0, 0, 1, 2, 4])
        with contextlib.suppress(AssertionError):
            wait_until(lambda: process.poll() is not None or sum(self.counted().values()) >= before + some, 3, "tasks")
            pause = self.chance.choice([0, 0, 0.05, 0.2, 0.5])
            wait_until(lambda: process.poll() is not None, pause, "its end")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.story.append("KILL")

    def check_dry_run(self, kills: int) -> None:
        """It names what would run, and writes nothing."""
        if kills or self.chance.random() > 0.2:
            return
        ended = self.flow.end(self.flow.start(*self.argv("--dry-run")))
        numbers = {line.partition(":")[0] for line in ended.out.splitlines() if line[:1].isdigit()}
        wanted = {str(self.workflow.order.index(name) + 1) for name in self.workflow.touched()}
        assert numbers == wanted, self.with_story(f"--dry-run names {numbers}, not {wanted}", ended.out)

    def run_to_end(self) -> None:
        if self.chance.random() < 0.15:
            self.run_following()
            return
        ended = self.flow.end(self.flow.start(*self.argv()))
        self.said = ended.out
        assert ended.code == 0, self.with_story("not all finished", ended.out)

    def run_following(self) -> None:
        """The file grows while it runs; finished tasks may come late as well. Makers come first: a task whose inputs
        exist starts at once."""
        self.story.append("FOLLOW")
        self.workflow.order = list(self.workflow.steps)
        lines = self.workflow.text().splitlines(keepends=True)
        first = self.chance.randint(0, len(lines))
        path = self.flow.write("tasks.jsonl", "".join(lines[:first]))
        (self.flow.folder / "mesos_done").unlink(missing_ok=True)
        before = self.starts()
        process = self.flow.start(*self.argv("--follow"))
        wait_until(lambda: self.starts() > before or process.poll() is not None, 30, "the run to begin")
        with path.open("a") as f:
            f.writelines(lines[first:])
        (self.flow.folder / "mesos_done").touch()
        ended = self.flow.end(process)
        (self.flow.folder / "mesos_done").unlink(missing_ok=True)
        self.said = ended.out
        assert ended.code == 0, self.with_story("not all finished", ended.out)

    def starts(self) -> int:
        path = self.flow.folder / ".mfmesos" / "scheduler.log"
        return path.read_text().count("event=registered") if path.exists() else 0

    def compare(self, allowed: set[str], kills: int) -> None:
        flow = self.workflow
        for name, text in flow.expected().items():
            path = flow.folder / name
            found = path.read_text() if path.is_file() else None
            assert found == text, self.with_story(f"{name} holds {found!r}, not {text!r}", self.said)
        state = (flow.folder / "mesos_task_state").read_text().split()
        assert sorted(state) == sorted(f"{n},finished" for n in range(1, len(flow.order) + 1)), self.with_story(
            f"the state file holds {state}", self.said)
        ran = set(self.counted() - self.tally_before)
        assert not (ran & set(flow.steps)) - allowed, self.with_story(f"needlessly run: {ran - allowed}", self.said)
        if not kills and "FOLLOW" not in self.story:
            assert not flow.touched() - ran, self.with_story(f"not run: {flow.touched() - ran}", self.said)
        kept = [p.read_bytes() for p in flow.folder.rglob("*") if KEPT in str(p) and p.is_file()]
        for text in flow.kept if not kills else ():
            assert any(text in one for one in kept), self.with_story(f"{text!r} was not kept", self.said)
        for path in list(flow.folder.glob(f"**/*{KEPT}*")):
            if os.path.lexists(path):
                remove(path)

    def with_story(self, what: str, out: str) -> str:
        return f"{what}\nseed {self.seed}: {'; '.join(self.story)}\n{out}\n--- log:\n{self.flow.log()}"


@contextlib.contextmanager
def a_cluster(kind: str) -> Iterator[Cluster]:
    cluster = KINDS[kind](agents=1)
    try:
        yield cluster
    finally:
        cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", choices=sorted(KINDS), default="embedded")
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="mfmesos-rerun-"))
    with a_cluster(args.cluster) as cluster:
        for number in range(0, args.rounds, 10):  # a fresh workflow now and then
            seed = args.seed + number // 10
            (folder / str(seed)).mkdir(parents=True, exist_ok=True)
            fuzz = Fuzz(seed, cluster, folder / str(seed))
            for _ in range(min(10, args.rounds - number)):
                print(f"seed {seed}: {fuzz.round()}", flush=True)
    if not args.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
