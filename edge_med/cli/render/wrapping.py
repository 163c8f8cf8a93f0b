"""Sentences on a terminal: broken at blanks, never within a word."""

from __future__ import annotations

import shutil
import sys
import textwrap

import click

from edge_med.artifacts.safe_text import safe_line

NARROWEST = 20
"""Columns below which a terminal breaks lines as it likes."""


def say(
    text: str, *, err: bool = True, first: str = "", safe: bool = False, indent: str = ""
) -> None:
    """Print a line of text, made harmless, in lines of the terminal's width.

    Pipes and files get it in one line. A word that is longer than a line, such as a path, stays
    whole.

    Args:
        text: text of one line.
        err: whether it goes to stderr.
        first: text before it, which may be coloured.
        safe: whether the text is harmless already.
        indent: indentation of all lines but the first.
    """
    line = text if safe else safe_line(text)
    stream = sys.stderr if err else sys.stdout
    if stream is not None and stream.isatty():
        line = wrapped(line, len(click.unstyle(first)), indent)
    click.echo(f"{first}{line}", err=err)


def wrapped(line: str, used: int = 0, indent: str = "") -> str:
    """A line broken at blanks to the terminal's width.

    Args:
        line: text to be broken.
        used: number of columns that are used in the first line.
        indent: indentation of all lines but the first.
    """
    width = shutil.get_terminal_size().columns
    if width < NARROWEST or len(line) + used <= width:
        return line
    return textwrap.fill(
        line,
        width,
        initial_indent=" " * used,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )[used:]
