"""Gives the options of a command what the settings' layers say, and `mfmesos config`, which shows it."""
from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import settings as m

NOT_LAYERED = frozenset(("help", "dry-run", "follow", "rerun", "detach", "ignore-environment"))
"""What is meant for one call."""
ON, OFF = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
FLAG, DEFAULT = "command line", "default"


def key_of(option: click.Parameter) -> str:
    """Its first long name."""
    return next((name[2:] for name in option.opts if name.startswith("--")), "")


def keys(commands: Iterable[click.Command]) -> set[str]:
    """The settings of these commands."""
    options = (option for command in commands for option in command.params if isinstance(option, click.Option))
    return {key for option in options if (key := key_of(option))} - NOT_LAYERED


def folder_of(tasks: Path | None) -> Path:
    """The workflow's, for a task file or a folder."""
    return Path.cwd() if tasks is None else tasks if tasks.is_dir() else tasks.parent


_KNOWN: set[str] = set()


def add_layers(commands: tuple[click.Command, ...], also: click.Command) -> None:
    """From now on their options have layers; of `also` those that it shares with them: the pool has a file of its own.
    """
    _KNOWN.update(keys(commands))
    for command in (*commands, also):
        _layered(command)


def _layered(command: click.Command) -> None:
    callback = command.callback
    assert callback is not None

    @functools.wraps(callback)
    def filled(**options: Any) -> Any:
        from mfmesos.cli.failing import fail

        context = click.get_current_context()
        try:
            for option, value, _ in values(context, options, folder_of(options.get("tasks"))):
                options[option.name or ""] = value
        except ConfigError as e:
            fail(str(e))
        return callback(**options)

    command.callback = filled


def values(
    context: click.Context, options: dict[str, Any], folder: Path,
) -> list[tuple[click.Option, Any, str]]:
    """The value of each option with layers, and its source. Raises ConfigError."""
    from mfmesos.settings.layers import Layers

    layers, found = Layers(_KNOWN, folder), []
    for option in context.command.params:
        key = key_of(option)
        if not isinstance(option, click.Option) or key not in _KNOWN:
            continue
        value, source = options[option.name or ""], FLAG
        if context.get_parameter_source(option.name or "") is not ParameterSource.COMMANDLINE:
            source, layer = DEFAULT, layers.of(key)
            if layer is not None:
                value, source = _converted(context, option, key, layer.value, layer.source), layer.source
        limit = layers.limits.get(key)
        if limit is not None:
            value, source = _limited(context, option, key, value, source, limit.value, limit.source)
        found.append((option, value, source))
    return found


def _limited(context: click.Context, option: click.Option, key: str, value: Any, source: str, limit: Any,
             site: str) -> tuple[Any, str]:
    """A value beyond the site's limit is refused if somebody has chosen it."""
    most = _converted(context, option, key, limit, site)
    if value is not None and value <= most:
        return value, source
    if value is not None and source != DEFAULT:
        raise ConfigError(m.BEYOND_LIMIT(source=source, key=key, value=value, limit=f"{most:g}", site=site))
    return most, site


def _converted(context: click.Context, option: click.Option, key: str, value: Any, source: str) -> Any:
    """As from the command line. A variable holds text, and a list with colons. Raises ConfigError."""
    try:
        if option.is_flag:
            if not isinstance(value, bool) and str(value).lower() not in ON + OFF:
                raise click.BadParameter(m.NOT_A_SWITCH(value=value))
            return value if isinstance(value, bool) else str(value).lower() in ON
        if option.multiple:
            several = value.split(":") if isinstance(value, str) else value
            if not isinstance(several, list):
                raise click.BadParameter(m.NOT_A_LIST(value=value))
            converted: Any = tuple(option.type.convert(str(one), option, context) for one in several)
        else:
            if isinstance(value, (bool, list, dict)):
                raise click.BadParameter(m.NOT_A_VALUE(value=value))
            converted = option.type.convert(str(value), option, context)
        return option.callback(context, option, converted) if option.callback is not None else converted
    except click.BadParameter as e:
        raise ConfigError(m.LAYER_VALUE_BAD(source=source, key=key, why=e.message)) from None


def config_command(run: click.Command) -> click.Command:
    """`mfmesos config`: `run` has all options that it shows."""

    @click.command("config")
    def config() -> None:
        """Show the settings, and where each comes from.

        Defaults are overridden by /etc/mfmesos.toml, then by ~/.config/mfmesos/config.toml, then by mfmesos.toml in the
        workflow's folder, then by variables such as MFMESOS_MASTER, then by the command line.
        """
        from mfmesos.cli.failing import fail

        with run.make_context("run", ["."], resilient_parsing=True) as context:
            try:
                found = values(context, context.params, Path.cwd())
            except ConfigError as e:
                fail(str(e))
        width = max(len(key_of(option)) for option, _, _ in found)
        for option, value, source in found:
            click.echo(f"{key_of(option):<{width}}  {_shown(value):<12}  {source}")

    return config


def _shown(value: Any) -> str:
    if value is None or value == "" or value == ():
        return "-"
    if isinstance(value, (list, tuple)):
        return ":".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
