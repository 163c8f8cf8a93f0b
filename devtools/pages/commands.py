"""Every command with its flags, as `--help` has them, for docs/reference/commands.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from devtools.pages.page import cell
from edge_med.cli import root


def listed() -> str:
    """All commands as Markdown: a heading, the description, and a table of flags."""
    if root.get_command(click.Context(root), "convert") is None:
        raise SystemExit("Install edge-med first: its command `convert` isn't there.")
    return "\n".join(described(name, command) for name, command in commands(root, "edge-med"))


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """A group's commands by the names that are typed, and the commands of those."""
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        if command is not None and not command.hidden:
            yield f"{name} {word}", command
            if isinstance(command, click.Group):
                yield from commands(command, f"{name} {word}")


def described(name: str, command: click.Command) -> str:
    """One command."""
    arguments = [one.make_metavar(click.Context(command)) for one in arguments_of(command)]
    about = cell_of_paragraphs(inspect.cleandoc(command.help or ""))
    flags = [flag for flag in command.params if isinstance(flag, click.Option) and not flag.hidden]
    rows = [f"| {spelled(flag)} | {cell(flag.help or '')}{default(flag)} |" for flag in flags]
    table = "\n".join(["", "| flag | what it does |", "|---|---|", *rows, ""]) if rows else ""
    call = " ".join([name, *arguments])
    return f"## {name}\n\n```text\n{call}\n```\n\n{about}\n{table}"


def arguments_of(command: click.Command) -> list[click.Argument]:
    return [one for one in command.params if isinstance(one, click.Argument)]


def cell_of_paragraphs(text: str) -> str:
    return "\n\n".join(cell(part) for part in text.split("\n\n"))


def spelled(flag: click.Option) -> str:
    """A flag as it is typed, with what follows it."""
    value = "" if flag.is_flag else f" {values(flag)}"
    several = " …" if flag.multiple else ""
    text = f"{', '.join(flag.opts)}{value}{several}".replace("|", "\\|")
    return f"`{text}`"


def values(flag: click.Option) -> str:
    if flag.metavar:
        return flag.metavar
    if isinstance(flag.type, click.Choice):
        return "|".join(map(str, flag.type.choices))
    return {"integer range": "N", "integer": "N", "float range": "X", "float": "X"}.get(
        flag.type.name, flag.type.name.upper()
    )


def default(flag: click.Option) -> str:
    """What is taken without the flag, if its help says so."""
    shown = flag.show_default and not flag.is_flag and isinstance(flag.default, str | int | float)
    return f" Default: `{flag.default}`." if shown else ""
