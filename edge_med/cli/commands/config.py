"""`edge-med config`: read and write the defaults of flags."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.shared import config_file
from edge_med.cli.shared.options import ENVIRONMENT, TYPES
from edge_med.config import LoadOptions, Options
from edge_med.library import store

KEY = click.argument("key", metavar="KEY")


@click.group()
def config() -> None:
    """Show or change default settings."""


@config.command(name="get")
@click.argument("key", metavar="[KEY]", required=False)
def get_(key: str | None) -> None:
    """Print the value of KEY, or all values and where they come from."""
    found = _effective()
    if key is not None:
        name = _name(key)
        config_file.check_key(name)
        value = found[name][0]
        click.echo("" if value is None else safe_line(str(value)))
        return
    for name, (value, source) in found.items():
        shown = "-" if value is None else safe_line(str(value))
        click.echo(f"{name:<16} {source:<12} {shown}")


@config.command(name="set")
@KEY
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Set a default, as in: config set model medgemma.

    KEY is a flag without its dashes.
    """
    name = _name(key)
    if name == "model":
        store.text_models(value)  # says so if there is none
        value = str(Path(value).resolve()) if Path(value).exists() else value
    config_file.change(name, value)


@config.command()
@KEY
def unset(key: str) -> None:
    """Take KEY out of config.toml."""
    config_file.change(_name(key), None)


@config.command()
def path() -> None:
    """Print where config.toml is, or would be."""
    click.echo(safe_line(str(config_file.path())))


def _name(key: str) -> str:
    """Both spellings are taken, that of the flag and that of the file."""
    return key.removeprefix("--").replace("-", "_")


def _effective() -> dict[str, tuple[Any, str]]:
    """What a command takes for each key without its flag, and where from."""
    defaults = dataclasses.asdict(LoadOptions()) | dataclasses.asdict(Options())
    stored = config_file.load()
    found: dict[str, tuple[Any, str]] = {}
    for name in TYPES:
        variable = os.environ.get(ENVIRONMENT.get(name, ""))
        if variable:
            found[name] = (variable, "environment")
        elif name in stored:
            found[name] = (stored[name], config_file.NAME)
        else:
            found[name] = (defaults.get(name), "default")
    return found
