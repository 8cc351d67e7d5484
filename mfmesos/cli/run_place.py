"""FOLDER or URL: where a command finds a run, in its folder or through its page."""
from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Union
from urllib.parse import parse_qsl, urlencode, urlsplit

import click

from mfmesos.cli.failing import fail
from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.messages import seeing as m

if TYPE_CHECKING:
    from mfmesos.web.page_client import PageClient

TOKEN = "MFMESOS_PAGE_TOKEN"
OF_PAGES = ("status", "why", "top", "logs")
"""The commands that ask a page as well."""
Place = Union[Path, str]
"""The workflow's folder, or the URL of a page."""


class PlaceType(click.ParamType):  # type: ignore[type-arg]
    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        if not isinstance(value, str) or not value.startswith(("http://", "https://")):
            found: Path = click.Path(exists=True, file_okay=False, path_type=Path).convert(value, param, ctx)
            return found
        if not is_page(value):
            from mfmesos.shared.webrequest import shown

            self.fail(m.PAGE_ELSEWHERE(url=shown(value)), param, ctx)
        return value


PLACE = PlaceType()


def place_and_task(words: Sequence[str]) -> tuple[Place, str]:
    """A first word that is a page's URL, or the folder of a run with a task after it, is the place."""
    if words and is_page(words[0]):
        return words[0], " ".join(words[1:])
    folder, more = folder_and_words(words)
    return folder, " ".join(more)


def folder_and_words(words: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """A first word that names the folder of a run is the folder."""
    if len(words) > 1 and (Path(words[0]) / STATE_DIR).is_dir():
        return Path(words[0]), words[1:]
    return Path(), words


def is_page(word: str) -> bool:
    """Whether it may be the link to a page, which listens on loopback addresses only."""
    from mfmesos.shared.addresses import is_loopback

    try:
        parts = urlsplit(word)
        return (parts.scheme == "http" and is_loopback(parts.hostname or "") and parts.path in ("", "/")
                and parts.port is not None and "@" not in parts.netloc)
    except ValueError:
        return False


def without_token(url: str) -> tuple[str, str]:
    """The URL without its token, and the token or an empty text."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query)
    more = urlencode([pair for pair in pairs if pair[0] != "token"])
    return parts._replace(query=more).geturl(), dict(pairs).get("token", "")


def page(url: str) -> PageClient:
    """The token comes with the URL, from the environment or, on a terminal, from its user."""
    from mfmesos.web.page_client import PageClient

    url, token = without_token(url)
    token = token or os.environ.get(TOKEN, "")
    if not token and sys.stdin.isatty():
        token = click.prompt(m.PAGE_TOKEN_ASKED(), hide_input=True, err=True).strip()
    if not (token and token.isascii() and token.isprintable()):
        fail(m.PAGE_TOKEN_MISSING(url=url))
    return PageClient(url, token)


def hide_token(argv: Sequence[str], environ: MutableMapping[str, str] = os.environ) -> None:
    """Every user of the machine can read a command line, its own user alone the environment: a token in the URL of a
    page moves there, and this process starts again. `argv`: the command's arguments. Returns if there is none.
    """
    if not argv or argv[0] not in OF_PAGES or not any(is_page(word) and without_token(word)[1] for word in argv):
        return
    _start_again(Path("/proc/self/cmdline").read_bytes(), environ)


def _start_again(own: bytes, environ: MutableMapping[str, str]) -> NoReturn:
    words = os.fsdecode(own).split("\0")[:-1]
    for n, word in enumerate(words):
        if is_page(word):
            words[n], found = without_token(word)
            environ[TOKEN] = found or environ.get(TOKEN, "")
    os.execve(sys.executable, words, environ)
