"""Reads the JSON files of simulations: each error names the file, the line or the key, and the cure."""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from mfmesos.settings.config import ConfigError
from mfmesos.shared.bounds import AMOUNT, Bounds
from mfmesos.shared.messages import simulate as m
from mfmesos.shared.phrases import printable
from mfmesos.shared.plainerrors import plain


class Checked:
    """One JSON object of a file: every key is asked for once, and the rest is an error."""

    def __init__(self, path: str, data: Any, where: str = "") -> None:
        self.path, self._where = path, where
        if not isinstance(data, dict):
            self.wrong("", data, m.WANT_OBJECT())
        self._data: dict[str, Any] = data
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return self._data.get(key) is not None

    def name(self, key: str) -> str:
        return ".".join(part for part in (self._where, key) if part) or m.WHOLE_FILE()

    def wrong(self, key: str, value: Any, wanted: object) -> None:
        """Raises ConfigError."""
        raise ConfigError(m.SIMULATED_VALUE(
            path=self.path, key=self.name(key), value=printable(json.dumps(value), 40), wanted=wanted))

    def any(self, key: str, default: Any = None) -> Any:
        """The value; ConfigError if it is missing and has no default (None)."""
        self._asked.add(key)
        value = self._data.get(key, default)
        if value is None:
            raise ConfigError(m.SIMULATED_KEY_MISSING(path=self.path, key=self.name(key)))
        return value

    def number(self, key: str, default: float | None = None, bounds: Bounds = AMOUNT) -> float:
        value = self.any(key, default)
        if not bounds.holds(value):
            self.wrong(key, value, bounds)
        return float(value)

    def text(self, key: str, default: str | None = None, among: Sequence[str] = ()) -> str:
        value = self.any(key, default)
        if not isinstance(value, str):
            self.wrong(key, value, m.WANT_TEXT())
        if among and value not in among:
            self.wrong(key, value, ", ".join(among))
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.any(key, default)
        if not isinstance(value, bool):
            self.wrong(key, value, m.WANT_FLAG())
        return bool(value)

    def part(self, key: str) -> Checked:
        """The object there; an empty one if it is missing."""
        return Checked(self.path, self.any(key, {}), self.name(key))

    def parts(self, key: str, default: list[Any] | None = None) -> Iterator[Checked]:
        """The objects of the list there."""
        value = self.any(key, default)
        if not isinstance(value, list):
            self.wrong(key, value, m.WANT_LIST())
        for number, item in enumerate(value):
            yield Checked(self.path, item, f"{self.name(key)}[{number}]")

    def numbers(self, key: str) -> tuple[float, ...]:
        value = self.any(key, [])
        if not isinstance(value, list) or not all(AMOUNT.holds(v) for v in value):
            self.wrong(key, value, m.WANT_NUMBERS(bounds=AMOUNT))
        return tuple(map(float, value))

    def amounts(self, key: str) -> dict[str, float]:
        """An object of numbers."""
        value = self.any(key, {})
        if not isinstance(value, dict) or not all(AMOUNT.holds(v) for v in value.values()):
            self.wrong(key, value, m.WANT_AMOUNTS(bounds=AMOUNT))
        return {str(name): float(number) for name, number in value.items()}

    def finish(self) -> None:
        """ConfigError if a key was not asked for."""
        for key in self._data:
            if key not in self._asked:
                raise ConfigError(m.SIMULATED_KEY_UNKNOWN(
                    path=self.path, key=printable(self.name(key), 60), keys=", ".join(sorted(self._asked))))


def find(name: str, kind: str) -> Path:
    """The file of that name, or the cluster or workload that comes with mfmesos (`kind` is "cluster" or "workload")."""
    path = Path(name)
    if path.is_file():
        return path
    folder = Path(str(resources.files("mfmesos.simulate"))) / f"{kind}s"
    own = folder / f"{name}.json"
    if own.is_file() and own.parent == folder:
        return own
    raise ConfigError(m.SIMULATED_NAME_UNKNOWN(
        name=printable(name, 60), kind=kind, names=", ".join(sorted(one.stem for one in folder.glob("*.json")))))


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as e:
        raise ConfigError(m.SIMULATED_FILE_UNREADABLE(path=path, why=e.reason)) from e
    except OSError as e:
        raise ConfigError(m.SIMULATED_FILE_UNREADABLE(path=path, why=plain(e, cure=False))) from e


def load(path: Path) -> Any:
    """Any JSON value."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as e:
        raise ConfigError(m.SIMULATED_NOT_JSON(path=path, line=e.lineno, why=e.msg)) from e
    except (ValueError, RecursionError) as e:
        raise ConfigError(m.SIMULATED_NOT_JSON(path=path, line=1, why=printable(str(e), 60))) from e
