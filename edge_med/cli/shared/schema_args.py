"""Schemas and grammars of the command line: read, and what was written by them is never lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge_med import documents
from edge_med.artifacts.safe_text import safe_text
from edge_med.cli.shared.hints import in_flags
from edge_med.errors import InputError, SchemaError

_OF_JSON = ("{", "[", '"')
"""How JSON begins that is no number; a file's name hardly does."""

_WORDS = frozenset(("json", "true", "false", "null"))
"""Words that may be a schema without a bracket; `json` is Ollama's."""


def schema_text(value: str) -> str:
    """A schema that is given itself or as a file.

    Raises:
        InputError: there is no such file, or it can't be read.
    """
    if value.lstrip().startswith(_OF_JSON):
        return value
    if value.strip() in _WORDS and not Path(value).exists():
        return value
    return read_for("--schema", value)


def read_for(flag: str, path: str | Path) -> str:
    """The text of the file that a flag names.

    Raises:
        InputError: there is none, or it can't be read.
    """
    try:
        is_there = Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or with a zero byte
        is_there = False
    if not is_there:
        what = ", or the schema itself in quotes" if flag == "--schema" else ""
        raise InputError(
            f"There is no file {str(path)[:200]} for {flag}.", f"Give the path of a file{what}."
        )
    return documents.read(path)


@contextmanager
def keep_partial_answer(*, as_json: bool, shown: bool) -> Iterator[None]:
    """Print the text that was written, though it doesn't fit its form.

    Args:
        as_json: whether it is printed as JSON, with the fault under `error`.
        shown: whether it is printed already.
    """
    try:
        yield
    except SchemaError as error:
        if error.text is not None and as_json:
            found = error.answer.to_dict() if error.answer else {"text": error.text}
            wrong = {"message": error.message, "hint": in_flags(error.hint)}
            click.echo(json.dumps(found | {"error": wrong}, indent=1))
        elif error.text and not shown:
            click.echo(safe_text(error.text))
        raise
