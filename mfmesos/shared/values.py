"""Dataclasses for values: nothing changes them after they are made, which mypy checks. And for records, when there are
many.

`dataclass(frozen=True)` also checks that at run time, and so assigns each field through a function: such a value takes
three times as long to make. It also compiles six functions for each class at every start; here that is one
(docs/performance.md, Core).
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

EMPTY: Mapping[str, Any] = {}
"""For the many values that have no entries: an empty dict takes 64 bytes. Nothing is ever put into it, which mypy
checks."""

if TYPE_CHECKING:
    from dataclasses import dataclass as slotted
    from dataclasses import dataclass as value
else:
    import functools
    import operator
    from dataclasses import dataclass, fields

    def value(*, frozen):
        """The decorator: compared, hashed and shown by its fields, as a frozen dataclass."""
        assert frozen
        return _made

    def _made(cls):
        for name, method in (("__repr__", _repr), ("__eq__", _eq), ("__hash__", _hash)):
            if name not in cls.__dict__:
                setattr(cls, name, method)
        return dataclass(repr=False, eq=False)(cls)

    @functools.lru_cache(maxsize=None)
    def _key_of(cls):
        """The function that gives what an instance is compared by."""
        names = [field.name for field in fields(cls) if field.compare]
        return operator.attrgetter(*names) if names else lambda _: ()

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        key = _key_of(self.__class__)
        return key(self) == key(other)

    def _hash(self):
        return hash(_key_of(self.__class__)(self))

    def _repr(self):
        shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
        return f"{self.__class__.__qualname__}({shown})"

    def slotted(cls=None, *, eq=True):
        """A dataclass whose instances have no dict: a record with more than 30 fields takes a fourth of the memory
        (docs/performance.md, Core). dataclass(slots=True) does the same from Python 3.10 on.
        """
        if cls is None:
            return functools.partial(slotted, eq=eq)
        made = dataclass(eq=eq)(cls)
        names = tuple(field.name for field in fields(made))
        body = {name: one for name, one in vars(made).items() if name not in (*names, "__dict__", "__weakref__")}
        return type(made)(made.__name__, made.__bases__, {**body, "__slots__": names})

__all__ = ["EMPTY", "slotted", "value"]
