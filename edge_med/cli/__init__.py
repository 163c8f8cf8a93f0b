"""The command line: one file a command, and the one place where errors are shown to a user."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import click

from edge_med import __version__
from edge_med._platform import interpreter
from edge_med.cli.shared import child_command
from edge_med.errors import CancelledError, EdgeMedError

COMMANDS = {
    "ask": "Ask one question, also about an image.",
    "chat": "Talk about images and texts in the terminal.",
    "compare": "Measure how much a smaller (quantized) model differs from the original.",
    "completion": "Print the script that completes edge-med in bash, zsh or fish.",
    "config": "Show or change default settings.",
    "demo": "Try it now without MedGemma: a toy model, no internet.",
    "doctor": "Check this machine and this installation, and say what would make them better.",
    "inspect": "Show what a model file contains.",
    "models": "List installed models, and which ones fit this machine.",
    "plan": "Check whether a model fits this machine, and how much memory it uses.",
    "verify": "Check that a model's files are complete and undamaged.",
    "view": "Preview an image or CT as the model will see it, with the time it takes.",
}
"""What `--help` says of each without importing it. Each is a function of its own name in the module
of its own name in `edge_med.cli.commands`."""

PLUGINS = "edge_med.commands"
"""Entry points of other packages; `convert` comes through here."""

MISSING = {"convert": "The wheel of edge-med has it: pip install --force-reinstall edge-med"}
"""Where a command comes from that isn't installed."""

WORDS = {"help": "--help", "version": "--version"}
"""What is typed as a command, and is a flag."""


class LazyGroup(click.Group):
    """Imports a command only when it is called, so that `--help` and the others start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Our own commands and those of other packages."""
        return sorted({*COMMANDS, *entry_points(group=PLUGINS).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"edge_med.cli.commands.{cmd_name}")
            command: click.Command = getattr(module, cmd_name)
            return command
        for entry in entry_points(group=PLUGINS, name=cmd_name):
            if importlib.util.find_spec(entry.module.partition(".")[0]):
                plugin: click.Command = entry.load()
                return plugin
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        rows = []
        for name in self.list_commands(ctx):
            command = None if name in COMMANDS else self.get_command(ctx, name)
            summary = command.get_short_help_str(limit=80) if command else COMMANDS.get(name)
            rows += [(name, summary)] if summary else []
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `help` and `version` for flags; say what to install, or what may have been meant."""
        name = args[0] if args else ""
        if name in WORDS:
            args = [*args[1:2], WORDS[name]] if name == "help" else [WORDS[name]]
            if len(args) == 1:
                self.main(args, ctx.info_name, standalone_mode=False)
                ctx.exit()
            name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from edge_med.cli.shared import usage_errors

            if name in MISSING:
                raise click.UsageError(f"'{name}' isn't installed. {MISSING[name]}", ctx)
            raise usage_errors.unknown(name, [*self.list_commands(ctx), *WORDS])
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-v", "-V", "--version", prog_name="edge-med")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Run MedGemma on your own machine.

    For research and education; never for diagnosis or treatment.
    """
    from edge_med.cli.shared import config_file, logs, options

    ctx.with_resource(logs.shown_warnings())

    name = ctx.invoked_subcommand or ""
    command = root.get_command(ctx, name)
    if command and any(option.name in options.TYPES for option in command.params):
        ctx.default_map = {name: config_file.load()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; errors are shown in two lines, never as a traceback."""
    if arguments is not None or not _is_process():
        _fill_closed_streams()
        sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command; returns the exit code."""
    try:
        code = _called(sys.argv[1:] if arguments is None else arguments)
    except EdgeMedError as error:
        from edge_med.cli.shared.hints import in_flags

        code = _show_error(error.message, in_flags(error.hint), error.exit_code)
    except click.UsageError as error:
        code = _misused(error)
    except click.ClickException as error:
        code = _show_error(error.format_message(), "", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = CancelledError.exit_code
    except BrokenPipeError:
        code = 0  # whoever read us has seen enough
    except SystemExit as stopped:  # with 1 click ends where it has met a broken pipe
        code = 0 if stopped.code == 1 else stopped.code
    except OSError as error:
        code = _show_error(_of_system(error), "Check the path, and that you may write there.", 3)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        fault = f"This is a fault of edge-med: {type(error).__name__}: {error}"
        code = _show_error(
            fault, "Please report it; python -X dev -m edge_med … shows where it is.", 1
        )
    return code if isinstance(code, int) else 0


def _called(arguments: Sequence[str]) -> object:
    if child_command.is_needed(arguments):
        return child_command.run(arguments)
    return root.main(arguments, prog_name="edge-med", standalone_mode=False)


def _is_process() -> bool:
    """Whether this frozen program was started as a process of its own; then that has ended."""
    if not getattr(sys, "frozen", False):
        return False
    interpreter.OWN_COMMAND = sys.executable  # no other Python can be started
    if sys.argv[1:2] != [interpreter.COMMAND]:
        return False
    interpreter.call(*sys.argv[2:])
    return True


def _fill_closed_streams() -> None:
    """Whoever has closed stdout or stderr wants nothing of it, and no error either."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _misused(error: click.UsageError) -> int:
    """Say what is wrong with a call; one without a word of its own gets the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return 0
    from edge_med.cli.shared import usage_errors

    return _show_error(*usage_errors.message_and_hint(error), 2)


def _of_system(error: OSError) -> str:
    return f"{error.filename or 'The system'}: {error.strerror or error}."


def styled(text: str, colour: str) -> str:
    """The text in a colour, unless NO_COLOR is set; click itself leaves colour out of pipes."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour, bold=True)


def _show_error(message: str, hint: str, code: int) -> int:
    from edge_med.cli.render.wrapping import say

    say(message, first=f"{styled('error:', 'red')} ")
    if hint:
        say(hint, first=f"{styled('hint:', 'cyan')} ")
    return code
