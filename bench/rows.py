"""The seam of the bench: a row measures one round at a time, and its figures hold what was measured against bars."""
from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Values = dict[str, float]
"""What one round of a row measured, by name. The end of a name is its unit: _s, _ms, _mb, _kb; without: a count."""


class NotHere(Exception):
    """A row cannot be measured on this machine; the text says why, and how to change that."""


@dataclass(frozen=True)
class Figure:
    """A number that is computed from the values of a round, and its bar."""

    what: str
    """What is compared with what, or the quantity."""
    of: Callable[[Values], float]
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def bar(self) -> str:
        """In words; empty for a figure that is only reported."""
        if self.at_most is not None:
            return f"at most {self.at_most:g} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"at least {self.at_least:g} {self.unit}".rstrip()
        return ""

    def verdict(self, value: float) -> str:
        if self.at_most is not None:
            return "met" if value <= self.at_most else "NOT MET"
        if self.at_least is not None:
            return "met" if value >= self.at_least else "NOT MET"
        return "reported"


def ratio(what: str, over: str, under: str, **bar: float) -> Figure:
    """The quotient of two values of the same round."""
    return Figure(what, lambda values: values[over] / values[under], **bar)


def value(what: str, name: str, unit: str, **bar: float) -> Figure:
    """A value as it was measured."""
    return Figure(what, lambda values: values[name], unit, **bar)


@dataclass(frozen=True)
class Row:
    """One row of the table. A row is measured alone, and starts and ends all that it needs."""

    name: str
    """The word that chooses it on the command line."""
    title: str
    against: str
    """The peer or the limit that the row is compared with."""
    figures: tuple[Figure, ...]
    measure: Callable[[Bench], Values]
    rounds: int = 3
    """How often it is measured, if time allows."""
    scaled: str = ""
    """What is smaller than in the title, so that the bench fits its time."""
    takes_s: float = 30.0
    """Of one round, about, on two idle cores: none begins that would end too late."""


@dataclass
class Bench:
    """What the rows share: a folder, clusters, and how large everything is."""

    scale: float = 1.0
    """Multiplies numbers of tasks and sizes of files; 1 for figures that count."""
    turn: int = 0
    """The number of the present round, from 0."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _clusters: dict[str, Any] = field(default_factory=dict)
    _made: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mfmesos-bench-")).resolve()
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def close(self) -> None:
        """Ends the clusters and removes every file."""
        self._stack.close()

    def some(self, count: int, least: int = 2) -> int:
        """`count`, scaled."""
        return max(least, round(count * self.scale))

    def new_folder(self) -> Path:
        """Removed when the bench ends: removing many small files slows down what is measured next on ext4 without a
        journal (docs/performance.md, Staging). What is large removes itself before."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """A file or folder that `make` made when it was first asked for."""
        if name not in self._made:
            path = self.folder / "made" / name
            path.parent.mkdir(exist_ok=True)
            make(path)
            self._made[name] = path
        return self._made[name]

    def mesos(self, agents: int = 1, cores: int = 2, memory_mb: int = 8192) -> str:
        """HOST:PORT of the master of such a cluster."""
        return str(self.cluster(agents, cores, memory_mb).master)

    def cluster(self, agents: int = 1, cores: int = 2, memory_mb: int = 8192) -> Any:
        """A real Mesos with such agents, which runs until the bench ends."""
        resources = f"cpus:{cores};mem:{memory_mb};disk:60000"
        key = f"{agents} {resources}"
        if key not in self._clusters:
            from clusters import RealMesos  # imports pytest, which a list of the rows does not need

            cluster = RealMesos(agents=agents, resources=resources)
            self._stack.callback(cluster.stop)
            self._clusters[key] = cluster
        return self._clusters[key]
