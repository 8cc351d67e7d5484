"""Parses another program's command line as getopt_long does, so that mfmesos can pass it on with small changes."""
from __future__ import annotations

from dataclasses import dataclass, field

from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import launchers as m


@dataclass(frozen=True)
class Grammar:
    """The options of a program."""

    program: str
    short: str
    """The option string for getopt."""
    plain: frozenset[str]
    optional: frozenset[str]
    """Long options with an optional value, after =."""
    with_value: frozenset[str]
    letters: dict[str, str] = field(default_factory=dict)
    """The long names of short options; other short options go by their letter."""
    dropped: frozenset[str] = frozenset()
    """Options that are not passed on, and neither are their values."""

    def full_name(self, written: str) -> str:
        """The full option name: getopt accepts any unambiguous prefix."""
        known = self.plain | self.optional | self.with_value
        if written in known:
            return written
        matches = [name for name in known if name.startswith(written)]
        return matches[0] if len(matches) == 1 else written


class Scanner:
    """getopt_long with permutation: options may follow operands, up to `--`."""

    def __init__(self, grammar: Grammar, argv: list[str]) -> None:
        self._grammar = grammar
        self._rest = list(argv)
        self.kept: list[str] = []
        """The options as written, with their values, without the dropped options."""
        self.operands: list[str] = []
        self.options: dict[str, str] = {}
        """The last value of each option, by its long name."""
        self.dropped: list[str] = []

    def scan(self) -> None:
        """Raises ConfigError for an option without its value."""
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
        """Handle one complete option."""
        if name in self._grammar.dropped:
            self.dropped.append(f"--{name}")
            return
        self.options[name] = value
        self.kept += words

    def _value(self, option: str) -> str:
        if not self._rest:
            raise ConfigError(m.VALUE_MISSING(option=option, program=self._grammar.program))
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
    """The value of --mesos-master, without the trailing slash that users of these programs write."""
    value = options.get("mesos-master")
    return value.rstrip("/") if value else None
