"""Values of JSON lines: text, and how a value is shown."""
from __future__ import annotations

import json
from typing import Any

from mfmesos.shared.messages import taskfiles as m
from mfmesos.shared.phrases import printable
from mfmesos.taskfiles.entries import Problem


def text_of(key: str, value: Any, cure: str) -> str:
    """A string that is valid as a command or a file name; raises Problem."""
    if value is None:
        raise Problem(m.KEY_MISSING(key=key), cure)
    if not isinstance(value, str):
        raise Problem(m.KEY_NOT_STRING(key=key, value=shown(value)), cure)
    if "\0" in value:
        raise Problem(*m.KEY_NUL.parts(key=key))
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Problem(*m.KEY_SURROGATE.parts(key=key)) from None
    return value


def shown(value: Any) -> str:
    """A value as written, shortened."""
    return printable(json.dumps(value, ensure_ascii=False), 40)
