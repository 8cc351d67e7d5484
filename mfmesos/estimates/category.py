"""What kind of task a command is, where the user names none: the programs that it runs, their subcommands and flags.

File names, numbers and the values of flags are left out, so that a kind stays itself across runs and the points of
a parameter sweep. Whatever the text is, something short and printable comes out.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from mfmesos.core.model import Task
from mfmesos.estimates.programs import Step, one_of, steps
from mfmesos.shared.phrases import printable

LONGEST = 80
"""Characters of a derived category."""

_SETS_UP = one_of(
    "cd pushd popd export unset set source . module ulimit umask true false : exit wait test [ [[ read local declare"
    " alias trap hash return shift")
"""Of the shell itself: never what a task is about, if it does anything else."""
_MOVES = one_of("echo printf cat tee cp mv ln rm mkdir rmdir touch chmod ls pwd date hostname sleep")
"""What surrounds the work, unless there is no other."""
_NO_SUBCOMMANDS = _SETS_UP | _MOVES | one_of(
    "sort uniq wc head tail cut paste join comm tr grep egrep fgrep zgrep sed awk gawk mawk find diff cmp split tar"
    " gzip gunzip bzip2 xz zstd zcat seq expr dd md5sum sha256sum make gcc cc clang rsync scp curl wget ssh python perl"
    " Rscript")
"""Their first word is a file, a pattern or a value."""
_SUBCOMMANDS = one_of(
    "git samtools bcftools bedtools bwa bwa-mem2 gatk picard picard.jar seqkit seqtk vg docker podman conda pip cargo"
    " go npm openssl salmon kallisto diamond mmseqs plink singularity apptainer bamtools sambamba macs2 macs3 qiime"
    " cellranger vsearch pbsv hail aws gsutil kubectl dvc")
"""Their first word is a subcommand even if nothing follows it, or a file is named like it."""
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z_-]+")
_FLAG = re.compile(r"--?[A-Za-z][A-Za-z_-]*")
_KEY = re.compile(r"([A-Za-z_][\w.-]*)=")
_SCRIPT = re.compile(r"\.(?:py|sh|bash|R|r|pl|rb|jl|jar|js|m|exe|bin)$")
_HEX = re.compile(r"(?=[a-f]*[0-9])[0-9a-f]{8,}")
_NUMBER = re.compile(r"[-+]?\.?[0-9](?:[0-9.,:+-]|[eE][-+]?[0-9])*(?:[kKmMgGtT]i?[bB]?|[smhd%])?")
_DIGITS = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_SET_OFF_DIGITS = re.compile(r"(?<=[_.-])[0-9]+(?:\.[0-9]+)*|[0-9]{3,}")
_ODD = re.compile(r"[^\w.+=@:#$%{}()~-]+")


def category_of(task: Task) -> str:
    """The category that was given, else the one derived from the command."""
    return task.category or derive(task.command, (*task.inputs, *task.outputs))


def derive(command: str, files: Collection[str] = ()) -> str:
    """For example "bwa mem -t", or "sort -k + uniq -c" of a pipe. `files` are names known to be files; with them a
    word can be told from a subcommand. At most LONGEST characters; "task" without a program."""
    names = _known(files)
    parts: dict[str, None] = {}
    for step in _chief(_steps(command)):
        parts[" ".join((_program(step.program), *_subcommand(step, names), *sorted(_flags(step, names))))] = None
    return _bounded(" + ".join(parts)) or "task"


def signature(command: str, files: Collection[str] = ()) -> str:
    """12 hex digits for the command with its flags' values, except for files and numbers: finer than the category
    ("-task megablast" is not "-task blastn"), but still the same along a sweep of numbers."""
    names = _known(files)
    lines = []
    for step in _steps(command):
        words = (_valued(word, names) for word in step.words)
        lines.append("\0".join((_program(step.program), *words)))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()[:12]


def exact(command: str) -> str:
    """12 hex digits for the command as it is written."""
    return hashlib.sha256(command.encode("utf-8", "replace")).hexdigest()[:12]


_steps = lru_cache(maxsize=2048)(steps)
"""Asked for when a task comes and when it ends; of makeflow's tasks a thousand may be there in between."""


def _chief(found: list[Step]) -> list[Step]:
    """The steps that do the work."""
    for dull in (_SETS_UP | _MOVES, _SETS_UP):
        chosen = [step for step in found if step.program not in dull]
        if chosen:
            return chosen
    return found[:1]


@lru_cache(maxsize=1024)
def _program(name: str) -> str:
    """Without what numbers scripts or versions."""
    name = _HEX.sub("#", name)
    return _ODD.sub(" ", (_DIGITS if _SCRIPT.search(name) else _SET_OFF_DIGITS).sub("#", name)).strip() or "#"


def _subcommand(step: Step, names: Collection[str]) -> list[str]:
    if step.program in _NO_SUBCOMMANDS:
        return []
    words = iter(step.words)
    first = next(words, "")
    known = step.program in _SUBCOMMANDS
    if known:
        while first.startswith("-"):  # its general options come first
            if "=" not in first:
                next(words, "")
            first = next(words, "")
    elif len(step.words) < 2:
        return []
    plain = _PLAIN_WORD.fullmatch(first) and len(first) <= 30
    return [first] if plain and (known or first not in names) else []


def _flags(step: Step, names: Collection[str]) -> Iterator[str]:
    seen = set()
    for word in step.words:
        if word == "--":
            return
        flag = _flag(word, names)
        if flag and flag not in seen:
            seen.add(flag)
            yield flag


def _flag(word: str, names: Collection[str]) -> str:
    """-o of -o, -o17 and -oa.txt; --out of --out=a; in= of in=a; nothing of other words."""
    flag = _FLAG.match(word)
    if flag:
        return word[:2] if _has_file(word, word[flag.end():], names) else flag[0].rstrip("-_")
    key = _KEY.match(word)
    return _DIGITS.sub("", key[1]) + "=" if key else ""


def _has_file(word: str, rest: str, names: Collection[str]) -> bool:
    """Whether a flag of one letter has the name of a file written to it, `rest` being what cannot be a flag's.
    (With shorter names -in could be -i and a file n.)"""
    if word.startswith("--") or rest.startswith("="):
        return False
    return (word[2:] in names and len(word) > 4) or (_is_file(rest, ()) and not _NUMBER.fullmatch(rest))


def _valued(word: str, names: Collection[str]) -> str:
    flag = _flag(word, names)
    value = word[len(flag):].lstrip("=") if word.startswith(flag) else ""
    if flag and not word.startswith("-"):
        value = word.split("=", 1)[1]
    elif not flag:
        value = word
    if _NUMBER.fullmatch(value):
        value = "#"
    elif _is_file(value, names):
        value = "/"
    return f"{flag}={_DIGITS.sub('#', value)}"


def _is_file(word: str, names: Collection[str]) -> bool:
    """Whether a word is the name of a file, or seems to be."""
    return word in names or any(c in word for c in "/.*?$~")


def _known(files: Collection[str]) -> set[str]:
    """Names of files as commands may write them: also without folders, and without what comes after the first dot,
    since programs add that to the prefix that they are given."""
    names = set(files)
    for name in files:
        base = name.rstrip("/").rsplit("/", 1)[-1]
        names |= {base, base.split(".", 1)[0], name[: len(name) - len(base)] + base.split(".", 1)[0]}
    return names - {""}


def _bounded(text: str) -> str:
    text = printable(text, 0, instead="?")
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{text[: LONGEST - 9]}~{digest}"
