"""Another program's command line, read as its getopt_long reads it, so that it can be passed on a little changed."""
from __future__ import annotations

from dataclasses import dataclass, field

from mfmesos.settings.config import ConfigError


@dataclass(frozen=True)
class Grammar:
    """What options a program knows."""

    program: str
    short: str
    """The option string for getopt."""
    plain: frozenset[str]
    optional: frozenset[str]
    """Long options that may have a value, after =."""
    with_value: frozenset[str]
    letters: dict[str, str] = field(default_factory=dict)
    """The long names of short options; others go by their letter."""
    dropped: frozenset[str] = frozenset()
    """Not passed on, nor their values."""

    def full_name(self, written: str) -> str:
        """getopt takes any prefix of an option that names only one."""
        known = self.plain | self.optional | self.with_value
        if written in known:
            return written
        matches = [name for name in known if name.startswith(written)]
        return matches[0] if len(matches) == 1 else written


class Scanner:
    """getopt_long with permutation: options are found behind operands, too, up to `--`."""

    def __init__(self, grammar: Grammar, argv: list[str]) -> None:
        self._grammar = grammar
        self._rest = list(argv)
        self.kept: list[str] = []
        """The options as they were written, with their values, without the dropped ones."""
        self.operands: list[str] = []
        self.options: dict[str, str] = {}
        """The last value of each option, by its long name."""
        self.dropped: list[str] = []

    def scan(self) -> None:
        """Raises ConfigError for an option that lacks its value."""
        while self._rest:
            word = self._rest.pop(0)
            if word == "--":
                self.operands += self._rest
                return
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._short(word)
            else:
                self.operands.append(word)

    def take(self, name: str, value: str, words: list[str]) -> None:
        """One option, whole."""
        if name in self._grammar.dropped:
            self.dropped.append(f"--{name}")
            return
        self.options[name] = value
        self.kept += words

    def _value(self, option: str) -> str:
        if not self._rest:
            raise ConfigError(f"{option}: {self._grammar.program} wants a value after it")
        return self._rest.pop(0)

    def _long(self, word: str) -> None:
        written, has_value, value = word[2:].partition("=")
        name = self._grammar.full_name(written)
        words = [word]
        if name in self._grammar.with_value and not has_value:
            value = self._value(word)
            words.append(value)
        self.take(name, value, words)

    def _short(self, word: str) -> None:
        letters, known = word[1:], self._grammar.short
        while letters:
            letter, letters = letters[0], letters[1:]
            kind = known.find(letter)
            name = self._grammar.letters.get(letter, letter)
            if kind < 0 or known[kind + 1:kind + 2] != ":":
                self.take(name, "", [f"-{letter}"])
            elif letters or known[kind + 1:kind + 3] == "::":
                self.take(name, letters, [f"-{letter}{letters}"])
                letters = ""
            else:
                value = self._value(f"-{letter}")
                self.take(name, value, [f"-{letter}", value])


def master_of(options: dict[str, str]) -> str | None:
    """What --mesos-master names; the programs' users write it with a slash at the end."""
    value = options.get("mesos-master")
    return value.rstrip("/") if value else None
