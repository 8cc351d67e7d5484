"""Splits a shell command into words as the shell does, with the position of each character in the command's text, so
that part of a word can be replaced without disturbing the quotes around it. Never fails, whatever the text.
"""
from __future__ import annotations

import re
from typing import Callable, NamedTuple, Tuple

Edit = Tuple[int, int, str]
"""Replace text[start:end]."""
EXPANSION = "\0"
"""Represents in a word what the shell inserts there: a variable, the output of a command."""

_ENDS = " \t\r\f\v\n;|&()<>"
_BLANK = re.compile(r"(?:[ \t\r\f\v]|\\\n)+|#[^\n]*")
_REDIRECT = re.compile(r"&>>?|<<<|<<-?|<>|>>|>\||[<>]&?")
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
_PARAMETER = re.compile(r"[#!]?(?:\w+|[@*#?$!-])(?:\[[^\]]*\])?")
_OPERATOR = re.compile(r":?[-=+]|##?|%%?")
_ODD = re.compile(r"[^\w@%+=:,./~-]")
_DEEPEST = 30
"""Maximum depth of commands in commands."""
_KEYWORDS = frozenset(("if", "then", "elif", "else", "while", "until", "do", "!", "{"))
_SHELLS = frozenset(("sh", "bash", "dash", "ksh", "zsh", "ash"))
_VALUED = frozenset(("-o", "+o", "-O", "+O", "--rcfile", "--init-file"))


class Word:
    """One word, without its quotes."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._spots: list[tuple[int, int, str]] = []

    @property
    def text(self) -> str:
        return "".join(self._text)

    def add(self, text: str, start: int, end: int, quote: str) -> None:
        """Add one character, with its position and its quotes."""
        self._text.append(text)
        self._spots.append((start, end, quote))

    def outer(self, edit: Edit) -> Edit:
        """A replacement in this word as a replacement in the command's text."""
        (start, _, before), (_, end, after) = self._spots[edit[0]], self._spots[edit[1] - 1]
        return start, end, _quoted(edit[2], before) + ("" if before == after else before + after)


def _quoted(text: str, quote: str) -> str:
    if quote == "'":
        return text.replace("'", "'\\''")
    if quote:
        return re.sub(r'(["\\$`])', r"\\\1", text)
    return _ODD.sub(lambda m: "'\n'" if m[0] == "\n" else "\\" + m[0], text)


class Found(NamedTuple):
    """The replacements in a word, and in the target of a redirection."""

    in_word: Callable[[str], list[Edit]]
    in_target: Callable[[str], list[Edit]]


class _Command:
    """The words of one simple command so far, as far as they matter here."""

    def __init__(self) -> None:
        self.begins = True
        self._shell = ""
        self._eval = False

    def is_code(self, word: str) -> bool:
        """Whether the next word is itself a command for a shell."""
        first, self.begins = self.begins, self.begins and word in _KEYWORDS
        if self._eval:
            return True
        self._eval = first and word in ("eval", "trap")
        if self._shell == "value":
            self._shell = "options"
        elif self._shell and word[:1] in ("-", "+"):
            self._shell = ("value" if word in _VALUED else "code" if re.match(r"-[A-Za-z]*c[A-Za-z]*\Z", word)
                           else self._shell)
        elif self._shell == "code":
            self._shell = ""
            return True
        else:
            self._shell = "options" if word.rsplit("/", 1)[-1] in _SHELLS else ""
        return False


class _Scanner:
    def __init__(self, text: str, found: Found, depth: int = 0) -> None:
        self.text = text
        self.edits: list[Edit] = []
        self._found = found
        self._depth = depth

    def commands(self, i: int, closing: str) -> int:
        """Read commands up to `closing`, a bracket or backtick, or the end of the text; returns the position after
        it.
        """
        if self._depth >= _DEEPEST:
            return len(self.text)
        self._depth += 1
        brackets = cases = 0
        command, redirect = _Command(), ""
        here: list[str] = []
        while i < len(self.text):
            c = self.text[i]
            if c == closing and (c == "`" or not (brackets or cases)):
                i += 1
                break
            blank = _match(_BLANK, self.text, i)
            if blank:
                i += len(blank)
            elif c in "<>" or self.text.startswith("&>", i):
                redirect = _match(_REDIRECT, self.text, i)
                i += len(redirect)
            elif c in _ENDS:
                i += 1
                brackets = max(0, brackets + (c == "(") - (c == ")"))
                command, redirect = _Command(), ""
                if c == "\n":
                    i, here = _after_documents(self.text, i, here), []
            else:
                word = Word()
                i = self._pieces(word, i, _ENDS + closing.strip(")"), "")
                if redirect in ("<<", "<<-"):
                    here.append(word.text)
                elif redirect != "<<<":
                    if command.begins and not redirect:
                        cases = max(0, cases + (word.text == "case") - (word.text == "esac"))
                    self._look(word, redirect, command)
                redirect = ""
        self._depth -= 1
        return i

    def _look(self, word: Word, redirect: str, command: _Command) -> None:
        text = word.text
        if redirect:
            edits = self._found.in_target(text)
        elif command.is_code(text):
            inner = _Scanner(text, self._found, self._depth)
            inner.commands(0, "")
            edits = inner.edits
        else:
            edits = self._found.in_word(text)
        self.edits += map(word.outer, edits)

    def _pieces(self, word: Word, i: int, ends: str, quote: str) -> int:
        """Continue a word up to one of `ends`; returns its position."""
        text = self.text
        while i < len(text) and text[i] not in ends:
            c = text[i]
            if c == "\\":
                i = self._escaped(word, i, quote)
            elif c == "'" and not quote:
                end = text.find("'", i + 1)
                end = len(text) if end < 0 else end
                for at in range(i + 1, end):
                    word.add(text[at], at, at + 1, "'")
                i = end + 1
            elif c == '"':
                i = self._pieces(word, i + 1, '"', '"') + 1
            elif c == "$":
                i = self._expansion(word, i, quote)
            elif c == "`":
                word.add(EXPANSION, i, i + 1, quote)
                i = self.commands(i + 1, "`")
            else:
                word.add(c, i, i + 1, quote)
                i += 1
        return min(i, len(text))

    def _escaped(self, word: Word, i: int, quote: str) -> int:
        following = self.text[i + 1: i + 2]
        if following == "\n":
            return i + 2
        if following and (not quote or following in '$`"\\'):
            word.add(following, i, i + 2, quote)
            return i + 2
        word.add("\\", i, i + 1, quote)
        return i + 1

    def _expansion(self, word: Word, i: int, quote: str) -> int:
        text = self.text
        if text.startswith("$((", i):
            end = text.find("))", i)
            after = len(text) if end < 0 else end + 2
        elif text.startswith("$(", i):
            after = self.commands(i + 2, ")")
        elif text.startswith("${", i):
            after = self._parameter(i + 2, quote)
        else:
            after = i + 1 + len(_match(_NAME, text, i + 1))
        word.add(EXPANSION if after > i + 1 else "$", i, after, quote)
        return after

    def _parameter(self, i: int, quote: str) -> int:
        """${NAME:-WORD} and similar: its inner part is a word, too."""
        if self._depth >= _DEEPEST:
            return len(self.text)
        self._depth += 1
        i += len(_match(_PARAMETER, self.text, i))
        operator = _match(_OPERATOR, self.text, i)
        word = Word()
        i = self._pieces(word, i + len(operator), "}", quote) + 1
        if operator:
            self.edits += map(word.outer, self._found.in_word(word.text))
        self._depth -= 1
        return i


def _match(pattern: re.Pattern[str], text: str, i: int) -> str:
    found = pattern.match(text, i)
    return found[0] if found else ""


def _after_documents(text: str, i: int, delimiters: list[str]) -> int:
    """Skip the here-documents that begin there."""
    for delimiter in delimiters:
        end = re.compile(rf"^\t*{re.escape(delimiter)}$", re.MULTILINE).search(text, i)
        i = end.end() if end else len(text)
    return i


def edited(command: str, found: Found) -> str:
    """The command with the replacements in its words. Comments, here-documents and here-strings are unchanged.

    Text that is quoted for another shell (sh -c '...', eval, trap) counts as words of that shell.
    """
    scanner = _Scanner(command, found)
    scanner.commands(0, "")
    for start, end, text in sorted(scanner.edits, reverse=True):
        command = command[:start] + text + command[end:]
    return command
