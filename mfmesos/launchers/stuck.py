"""Finds out why makeflow ran nothing although rules were left, from the workflow as makeflow_viz prints it.

makeflow_viz comes with makeflow, reads the workflow with the same parser (JX included), and prints its rules as JSON.
"""
from __future__ import annotations

import graphlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mfmesos.launchers.arguments import Scanner
from mfmesos.launchers.makeflow_args import GRAMMAR, MakeflowArgs
from mfmesos.launchers.makeflow_verdict import Verdict
from mfmesos.shared.messages import rules as m
from mfmesos.shared.phrases import counted

VIZ = "makeflow_viz"
VIZ_WITHIN_S = 60.0
SYNTAX = frozenset({"json", "jx", "jx-args", "jx-context", "jx-define"})
"""The options that define how to read the workflow; makeflow_viz has the same options."""
STORAGE = "storage-limit"
SHOWN = 10


@dataclass(frozen=True)
class Rule:
    """One rule of a workflow, by the names of its files."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    local: bool = False


def reason(args: MakeflowArgs, rules: Sequence[Rule] | None, workdir: Path, judged: Verdict) -> str:
    """Why makeflow cannot run the remaining rules, in one line; empty if unknown.

    `rules` is None if makeflow_viz could not be run. The files are looked up in `workdir`.
    """
    found = cycle(rules or ())
    if found:
        return m.RULES_IN_CYCLE(file=args.dagfile, files=in_words(found))
    if judged.failed:
        return m.RULES_NEED_FAILED(rules=counted(judged.rest, "rule"))
    if STORAGE in args.options or "storage-type" in args.options:
        limit = args.options.get(STORAGE, "0")
        return m.STORAGE_TOO_SMALL(option=STORAGE, limit=limit)
    if rules is None:
        return m.RULES_WAIT(viz=VIZ)
    return _not_started(startable(rules, workdir))


def _not_started(rules: Sequence[Rule]) -> str:
    if not rules:
        return ""
    names = [*(" ".join(rule.outputs) for rule in rules[:SHOWN]), *(["..."] if len(rules) > SHOWN else [])]
    files = ", ".join(names)
    if any(rule.local for rule in rules):
        return m.LOCAL_RULES_TOO_LARGE(files=files)
    return m.RULES_NOT_STARTED(files=files)


def read_rules(
    binary: Path, args: MakeflowArgs, environ: Mapping[str, str], cwd: Path, within_s: float = VIZ_WITHIN_S,
) -> list[Rule] | None:
    """The rules of the workflow that `args` names, or None if makeflow_viz is missing or fails."""
    beside = binary.resolve().with_name(VIZ)
    viz = str(beside) if os.access(beside, os.X_OK) else shutil.which(VIZ, path=environ.get("PATH"))
    if viz is None:
        return None
    syntax = _Syntax(GRAMMAR, args.argv)
    syntax.scan()
    try:
        done = subprocess.run(
            [viz, "-D", "json", *syntax.kept, "--", args.dagfile], cwd=cwd, env=dict(environ), timeout=within_s,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        text = done.stdout.decode(errors="surrogateescape")
        return [_rule(one) for one in json.loads(text[text.index("{"):])["rules"]]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError):
        return None


class _Syntax(Scanner):
    """Keeps the options that define how to read the workflow, in long form."""

    def take(self, name: str, value: str, words: list[str]) -> None:
        if name in SYNTAX:
            self.kept.append(f"--{name}={value}" if value else f"--{name}")


def _rule(stated: Mapping[str, object]) -> Rule:
    return Rule(_names(stated["inputs"]), _names(stated["outputs"]), bool(stated.get("local_job")))


def _names(files: object) -> tuple[str, ...]:
    """A file with another name for its rule is an object; `task_name` is the workflow's name."""
    if not isinstance(files, list):
        raise TypeError("no list of files")
    return tuple(str(one["task_name"]) if isinstance(one, dict) else str(one) for one in files)


def cycle(rules: Sequence[Rule]) -> list[str]:
    """Files of which each needs the next one, and the last one needs the first; empty without a cycle."""
    makers = {os.path.normpath(name): n for n, rule in enumerate(rules) for name in rule.outputs}
    needs = {n: {makers[clean]: name for name in rule.inputs if (clean := os.path.normpath(name)) in makers}
             for n, rule in enumerate(rules)}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as e:
        found: list[int] = e.args[1][:0:-1]  # each rule needs what the next one makes
        start = found.index(min(found))
        found = found[start:] + found[:start]
        return [needs[found[i - 1]][rule] for i, rule in enumerate(found)]
    return []


def in_words(names: Sequence[str]) -> str:
    """Describe a cycle: a needs b, b needs a."""
    pairs = [m.RULE_CYCLE_STEP(file=name, other=names[(i + 1) % len(names)]) for i, name in enumerate(names)]
    if len(pairs) > SHOWN:
        pairs[SHOWN - 1:-1] = [m.RULE_CYCLE_MORE(count=len(pairs) - SHOWN)]
    return ", ".join(pairs)


def startable(rules: Sequence[Rule], workdir: Path) -> list[Rule]:
    """Rules whose outputs are missing although all of their inputs exist."""
    return [rule for rule in rules
            if not all((workdir / name).exists() for name in rule.outputs)
            and all((workdir / name).exists() for name in rule.inputs)]
