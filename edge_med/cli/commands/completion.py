"""`edge-med completion`: what a shell needs to complete commands, flags and models' names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

INSTALL = """\b
bash: echo 'eval "$(edge-med completion bash)"' >> ~/.bashrc
zsh:  echo 'eval "$(edge-med completion zsh)"' >> ~/.zshrc
fish: edge-med completion fish > ~/.config/fish/completions/edge-med.fish
"""


@click.command(epilog=INSTALL)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes edge-med in bash, zsh or fish."""
    made = get_completion_class(shell)
    assert made is not None
    root = ctx.find_root().command
    click.echo(made(root, {}, "edge-med", "_EDGE_MED_COMPLETE").source())
