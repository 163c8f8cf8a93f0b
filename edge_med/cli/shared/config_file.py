"""config.toml: defaults of flags, checked as the flags are, and changed a line at a time."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from edge_med import _platform
from edge_med.cli.shared.options import TYPES
from edge_med.errors import UsageError
from edge_med.library import store

NAME = "config.toml"


def path() -> Path:
    """Where the file is, or would be."""
    return store.home() / NAME


def load() -> dict[str, Any]:
    """What is set; nothing without a file.

    Raises:
        UsageError: it isn't TOML, or holds a key or a value that there isn't.
    """
    return {key: check_value(key, value) for key, value in _raw(_read()).items()}


def change(key: str, value: object) -> None:
    """Set a key, or take it out if the value is None; comments stay.

    Raises:
        UsageError: there is no such key, or its flag doesn't take the value.
    """
    text = _read()
    settings = _raw(text)  # unchecked: what is wrong can be set right, or taken out
    if value is not None:
        value = check_value(key, value)
    elif key not in settings:
        check_key(key)
        return
    changed = _edited(text, key, value)
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    _platform.write_private(file, changed.encode("utf-8"))


def check_value(key: str, value: object) -> Any:
    """A value as its flag takes it.

    Raises:
        UsageError: there is no such key, or the flag doesn't take the value.
    """
    check_key(key)
    whole = isinstance(TYPES[key], click.IntRange)
    if isinstance(value, bool) or not isinstance(value, (str, int) if whole else str):
        raise UsageError(f"The setting {key} is {value!r}.", _hint(key))
    try:
        found = TYPES[key].convert(value, None, None)
        str(found).encode("utf-8")
    except (click.BadParameter, UnicodeEncodeError) as error:
        reason = _reason(key, value, error)
        raise UsageError(f"The setting {key} {reason}", _hint(key)) from None
    if found == "" or (isinstance(found, str) and not found.isprintable()):
        raise UsageError(f"The setting {key} is empty or has control characters.", _hint(key))
    return found


def _reason(key: str, value: object, error: Exception) -> str:
    """What a flag has against a value, in plain words."""
    kind = TYPES[key]
    if isinstance(kind, click.IntRange):
        return f"must be a whole number from {kind.min} to {kind.max}, not {value}."
    text = error.message if isinstance(error, click.BadParameter) else "It isn't text."
    return f"can't be used: {text}"


def check_key(key: str) -> None:
    """Refuse a key that there isn't.

    Raises:
        UsageError: that.
    """
    if key not in TYPES:
        raise UsageError(f"There is no setting '{key}'.", f"There are: {', '.join(TYPES)}.")


def _hint(key: str) -> str:
    return f"See --{key.replace('_', '-')} in edge-med ask --help, or: edge-med config unset {key}"


def _read() -> str:
    try:
        return path().read_text("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise _damaged("It isn't a text in UTF-8.") from None


def _raw(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _damaged(f"{error}.") from None


def _damaged(reason: str) -> UsageError:
    return UsageError(f"{NAME} can't be read: {reason}", f"Correct or remove it: {path()}")


def _edited(text: str, key: str, value: object) -> str:
    """The text with one setting changed, or taken out if the value is None."""
    import tomlkit  # only what changes the file needs it

    document = tomlkit.parse(text)
    if value is None:
        document.remove(key)
    else:
        document[key] = value
    return document.as_string()
