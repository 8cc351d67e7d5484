"""Options that name addresses and folders, checked before a command begins."""
from __future__ import annotations

import os

import click

from mfmesos.settings.config import ConfigError
from mfmesos.shared.plainerrors import plain


def address(context: click.Context, option: click.Parameter, text: str) -> str:
    """HOST[:PORT], or empty; anything else is bad usage."""
    from mfmesos.shared.addresses import split_host_port

    try:
        split_host_port(text, 0)
    except ValueError as e:
        raise click.BadParameter(str(e)) from None
    return text


def ports(context: click.Context, option: click.Parameter, text: str) -> str:
    """FIRST-LAST, or empty; anything else is bad usage."""
    from mfmesos.settings.ports import port_range

    try:
        port_range(text)
    except ConfigError as e:
        raise click.BadParameter(str(e)) from None
    return text


def folders(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> list[str]:
    """Shared folders of this machine, under each of their names; anything else is bad usage."""
    from mfmesos.settings.folders import shared_folders

    try:
        return shared_folders(names)
    except ConfigError as e:
        raise click.BadParameter(str(e)) from None


def enter(context: click.Context, option: click.Parameter, folder: str | None) -> None:
    """-C: before anything else is looked at."""
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as e:
            raise click.BadParameter(plain(e)) from None
