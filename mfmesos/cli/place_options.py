"""Options that name addresses and folders, checked before a command begins."""
from __future__ import annotations

import os

import click

from mfmesos.cli.failing import bad_usage


def address(context: click.Context, option: click.Parameter, text: str) -> str:
    """HOST[:PORT], or empty."""
    from mfmesos.shared.addresses import split_host_port

    with bad_usage():
        split_host_port(text, 0)
    return text


def ports(context: click.Context, option: click.Parameter, text: str) -> str:
    """FIRST-LAST, or empty."""
    from mfmesos.settings.ports import port_range

    with bad_usage():
        port_range(text)
    return text


def folders(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> list[str]:
    """Shared folders of this machine, under each of their names."""
    from mfmesos.settings.folders import shared_folders

    with bad_usage():
        return shared_folders(names)


def enter(context: click.Context, option: click.Parameter, folder: str | None) -> None:
    """-C: before anything else is looked at."""
    if folder is not None:
        with bad_usage():
            os.chdir(folder)
