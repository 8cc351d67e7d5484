"""A shell command taken apart as far as needed to see which programs it runs; never fails, whatever the text."""
from __future__ import annotations

import re

from mfmesos.shared.values import value


def one_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_MOST = 20_000
"""Characters that are looked at."""
_DEPTH = 3
"""Of commands in quotes: sh -c '...'."""
_TOKEN = re.compile(r"""
    (?P<space>(?:[ \t\r\f\v]|\\\n)+)
  | (?P<comment>\#[^\n]*)
  | (?P<redirect>[0-9]*(?:<<<|<<-?|<>|>>|>\||[<>]&?)|&>>?)
  | (?P<end>&&|\|\||\|&|;;|[;|&()\n])
  | (?P<word>(?: [^\s"'`\\;|&()<>$] | \\. | "(?:[^"\\]|\\.)*"? | '[^']*'? | `[^`]*`?
               | \$\((?:[^()]|\([^()]*\))*\)? | \$ )+)
""", re.VERBOSE | re.DOTALL)
_QUOTED = re.compile(r"""\\(.) | "((?:[^"\\]|\\.)*)"? | '([^']*)'?""", re.VERBOSE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_AMOUNT = re.compile(r"[-+0-9.,:]*[0-9][0-9.,:-]*[smhdkKMG]?")
_KEYWORDS = one_of("if then elif else while until do ! {")
_HEADS = one_of("for case select function fi done esac }")
"""What follows them, up to the next end of a command, is none."""
_BUILTINS = one_of(". : [ [[")
_WRAPPERS = one_of(
    "time nice ionice env exec nohup stdbuf timeout setsid taskset command builtin numactl chrt sudo mpirun mpiexec"
    " srun xargs parallel unbuffer catchsegv")
_WRAPPERS_VALUES = one_of(
    "-u --unset -C --chdir -k -s --signal -f --format -o --output -I -a -d --arg-file -n -np -c -N --adjustment")
_CONTAINERS = one_of("singularity apptainer")
_CONTAINERS_VALUES = one_of("-B --bind -H --home -W --workdir --pwd --env --env-file --overlay -S --scratch")
_SHELLS = one_of("sh bash dash ksh zsh")
_INTERPRETERS = re.compile(r"(?:sh|bash|dash|ksh|zsh|Rscript|java|julia|(?:python|perl|ruby|node|php|lua)[0-9.]*)")
_INTERPRETERS_VALUES = one_of("-W -X -cp -classpath --class-path -O +O -o -I")


@value(frozen=True)
class Step:
    """One program and its words, without redirections, assignments, wrappers and interpreters before it."""

    program: str
    words: tuple[str, ...]


def steps(command: str, depth: int = _DEPTH) -> list[Step]:
    """The programs of a command in the order in which they are written."""
    found = []
    for words in _split(command[:_MOST]):
        found += _step(words, depth)
    return found


def _split(text: str) -> list[list[str]]:
    """The words of each simple command, quotes taken off."""
    commands: list[list[str]] = [[]]
    position, redirect, here = 0, "", ""
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:  # a lone backslash at the end
            position += 1
            continue
        position = token.end()
        kind = token.lastgroup
        if kind == "redirect":
            redirect = token[0]
        elif kind == "end":
            redirect = ""
            commands.append([])
            if token[0] == "\n" and here:
                position, here = _after(text, position, here), ""
        elif kind == "word":
            word = _unquoted(token[0])
            if not redirect:
                commands[-1].append(word)
            elif redirect in {"<<", "<<-"}:
                here = word
            redirect = ""
    return commands


def _after(text: str, position: int, delimiter: str) -> int:
    """Where a here-document ends."""
    end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.MULTILINE).search(text, position)
    return end.end() if end else len(text)


def _unquoted(word: str) -> str:
    return _QUOTED.sub(lambda m: m[1] or m[2] or m[3] or "", word)


def _step(words: list[str], depth: int) -> list[Step]:
    words = _without_wrappers(words)
    if not words:
        return []
    program, rest = _base(words[0]), words[1:]
    if not _INTERPRETERS.fullmatch(program):
        return [Step(program, tuple(rest))]
    return _interpreted(program, rest, depth)


def _without_wrappers(words: list[str]) -> list[str]:
    """From the first word on that is a program of the user's own."""
    last, i = -1, 0
    while i < len(words):
        word = words[i]
        if _base(word) in _CONTAINERS and words[i + 1: i + 2] in (["exec"], ["run"]):
            last, i = i, _after_options(words, i + 2, _CONTAINERS_VALUES) + 1
        elif word in _KEYWORDS:
            i += 1
        elif _base(word) in _WRAPPERS:
            last, i = i, _after_options(words, i + 1, _WRAPPERS_VALUES)
        elif word in _HEADS:
            return []
        elif _ASSIGNMENT.match(word) or not (word in _BUILTINS or any(c.isalnum() for c in word)):
            i += 1
        else:
            return words[i:]
    return [] if last < 0 else [words[last]]


def _after_options(words: list[str], i: int, with_value: frozenset[str]) -> int:
    """Past options, their values, and bare amounts such as timeout's."""
    while i < len(words):
        if words[i] in with_value:
            i += 2
        elif words[i].startswith("-") or _AMOUNT.fullmatch(words[i]):
            i += 1
        else:
            break
    return i


def _interpreted(interpreter: str, words: list[str], depth: int) -> list[Step]:
    """The script, module, class or quoted command that an interpreter runs, else the interpreter itself."""
    i = 0
    while i < len(words):
        word = words[i]
        if interpreter in _SHELLS and re.fullmatch(r"-[a-z]*c", word):
            inner = steps(words[i + 1], depth - 1) if i + 1 < len(words) and depth else []
            return inner or [Step(interpreter, ("-c",))]
        if word in {"-c", "-e", "-E"} and interpreter != "java":
            return [Step(interpreter, (word, *words[i + 1:]))]
        if word in {"-m", "-jar"} and i + 1 < len(words):
            return [Step(_base(words[i + 1]), tuple(words[i + 2:]))]
        if not word.startswith(("-", "+")):
            return [Step(_base(word), tuple(words[i + 1:]))]
        i += 2 if word in _INTERPRETERS_VALUES else 1
    return [Step(interpreter, ())]


def _base(word: str) -> str:
    """The name of a program without its folders."""
    return word.rstrip("/").rsplit("/", 1)[-1] or word
