"""Numbers and texts as users read them."""
from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """"1 rule", "2 rules"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """"9 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(number: int) -> str:
    """Bytes: "20 bytes", "3.5 kB", "12 MB", "1.2 GB"."""
    if number < 1000:
        return counted(number, "byte")
    amount, units = number / 1000, ["kB", "MB", "GB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        del units[0]
    unit = units[0]
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def shortened(text: str, limit: int) -> str:
    """One line of at most `limit` characters; the middle is cut, since the end is often the most important part."""
    line = " ".join(text.split())
    return line if len(line) <= limit else without_middle(line, limit)


def printable(text: str | bytes, limit: int = 80, *, instead: str | None = None) -> str:
    """Foreign text for one line of a terminal or log: at most `limit` characters (0: any number), a long text loses its
    middle; unprintable characters are escaped, or replaced with `instead`.
    """
    if limit and len(text) > limit * 8:
        text = text[: limit * 4] + text[-limit * 4:]  # type: ignore[operator]  # both are of one kind
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escaped(c) if instead is None else instead for c in text)
    return without_middle(text, limit) if 0 < limit < len(text) else text


def without_controls(text: str) -> str:
    """The whole text, with a question mark for each character that would steer a terminal."""
    return printable(text, 0, instead="?")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def cut(text: str, limit: int) -> str:
    """The text as it is, without its middle if it has more than `limit` characters."""
    return text if len(text) <= limit else without_middle(text, limit)


def without_middle(text: str, limit: int) -> str:
    """A longer text cut to `limit` characters (3 or more)."""
    tail = limit // 2
    return f"{text[:limit - 1 - tail]}…{text[-tail:]}"
