"""What a message is.

    raise ConfigError(settings.SECRET_READABLE(path=path))

The executor's messages are part of the table and travel to the agents: standard library only, Python 3.8 or newer,
and a named tuple, since a dataclass would slow each executor's start
(docs/performance.md, Start-up).
"""
from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One message of the table. A test holds that every call names exactly the fields of the templates."""

    id: str
    """In docs/messages.md; stays the same when the words change."""
    text: str
    """A template with named fields. `{cure}` in it stands for the cure."""
    cause: str
    """Why the user reads it, for the docs."""
    cure: str = ""
    """What to do: a template, without a full stop. Empty where nothing needs to be done."""

    def __call__(self, **fields: object) -> str:
        """What the user reads, in one line. Raises KeyError when a field is missing."""
        return self.text.replace("{cure}", self.cure).format(**fields)

    def parts(self, **fields: object) -> tuple[str, str]:
        """The text and the cure, for channels that show them apart."""
        return self.text.format(**fields), self.cure.format(**fields)
