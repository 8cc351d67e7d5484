"""Prints docs/messages.md out of the table in mfmesos/shared/messages:

    .venv/bin/python tools/messages.py > docs/messages.md
"""
from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

from mfmesos.shared import messages
from mfmesos.shared.messages.message import Message

HEAD = """\
# Messages
Every message of mfmesos, its cause and its cure, made by `tools/messages.py` from
[the table](../mfmesos/shared/messages). Words in *italics* stand for what the message names. To find a message, search
for a few words of it without names and numbers.
"""
TO_ADD = """\

To add a message: put it into the file of its room in `mfmesos/shared/messages`, use it by its name with its fields
(`raise ConfigError(m.SECRET_EXPOSED(path=path))`), and make this page again. `tests/shared/test_messages.py` holds that
every user message is in the table, and that each call gives the fields of the template.
"""
CURE = re.compile(r"[;:,]? ?\(?\{cure\}\)?")


def modules() -> Iterator[ModuleType]:
    """The modules with messages, by name."""
    for found in sorted(pkgutil.iter_modules(messages.__path__), key=lambda one: one.name):
        if found.name != "message":
            yield importlib.import_module(f"{messages.__name__}.{found.name}")


def of(module: ModuleType) -> dict[str, Message]:
    """The messages of a module by the names of their constants."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Message)}


def page() -> str:
    """docs/messages.md."""
    parts = [HEAD]
    for module in modules():
        what = (module.__doc__ or "").strip()
        name = module.__name__.rpartition(".")[2]
        parts.append(f"\n## {name}\n{what}\n\n| id | message | cause | cure |\n| --- | --- | --- | --- |\n")
        parts += [row(message) for message in of(module).values()]
    return "".join([*parts, TO_ADD])


def row(message: Message) -> str:
    """One line of a module's table."""
    cure = f"{message.cure[:1].upper()}{message.cure[1:]}." if message.cure else "None needed."
    return f"| {message.id} | {shown(CURE.sub('', message.text))} | {shown(message.cause)} | {shown(cure)} |\n"


def shown(template: str) -> str:
    """A template in Markdown, its fields as words in italics."""
    escaped = re.sub(r"([|*<>_`\[\]])", r"\\\1", template)
    fields = re.sub(r"(?<!\{)\{(\w+(?:\\_\w+)*)[^{}]*\}", r"*\1*", escaped)
    return fields.replace("{{", "{").replace("}}", "}")


if __name__ == "__main__":
    print(page(), end="")
