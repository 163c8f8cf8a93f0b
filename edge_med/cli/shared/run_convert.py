"""Call `edge-med convert` as a user would; it belongs to a package that isn't imported here."""

from __future__ import annotations

import click


def convert(*arguments: object) -> None:
    """Convert, within another command.

    Args:
        arguments: words of the command line.
    """
    ctx = click.get_current_context().find_root()
    assert isinstance(ctx.command, click.Group)
    command = ctx.command.get_command(ctx, "convert")
    if command is None:
        raise click.UsageError("'convert' isn't installed. Install edge-med with its converters.")
    command.main([str(a) for a in arguments], "edge-med convert", standalone_mode=False)
