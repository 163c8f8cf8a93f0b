"""Errors say what to do next, wherever they are shown."""

from __future__ import annotations

import ast
import copy
import logging
import re
import traceback
from pathlib import Path

import pytest

from edge_med import errors
from edge_med.errors import EdgeMedError, SchemaError, UsageError

ROOT = Path(__file__).parents[1]
FLAG = re.compile(r"(?<![\w-])--[a-z]")
COMMANDS = re.compile(r"(?:edge-med|pip|llama-gguf-split) [^;]*--|gunicorn does so without --")
"""Of these the flags are the programs' own."""

SPOKEN_ON_THE_COMMAND_LINE = (
    "edge_med/cli/",
    "edge_med/chat/",  # its own commands
    "edge_med/artifacts/file_names.py",  # of names that `convert` gives
)
"""Where hints name flags."""


def test_a_traceback_shows_the_hint() -> None:
    shown = "".join(traceback.format_exception(UsageError("It was closed.", "Load it again.")))
    assert shown.splitlines()[-2:] == [
        "edge_med.errors.UsageError: It was closed.",
        "hint: Load it again.",
    ]


def test_a_log_shows_the_hint(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise UsageError("It was closed.", "Load it again.")
    except UsageError:
        logging.getLogger("a program").exception("failed")
    assert "hint: Load it again." in caplog.text


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_of_an_error_has_its_hint_once(again: object) -> None:
    error = again(SchemaError("It was cut off.", "Ask for less.", '{"a"'))  # type: ignore[operator]
    assert error.__notes__ == ["hint: Ask for less."]
    assert (str(error), error.hint, error.text) == ("It was cut off.", "Ask for less.", '{"a"')


def hints(path: Path) -> list[str]:
    """The texts of a module that are given to errors, without their first, the message."""
    names = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    return [
        "".join(str(part.value) for part in ast.walk(given) if isinstance(part, ast.Constant))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        for given in node.args[1:2]
    ]


def test_hints_below_the_command_line_name_no_flags() -> None:
    found = {}
    for path in sorted((ROOT / "edge_med").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(SPOKEN_ON_THE_COMMAND_LINE):
            found[name] = [h for h in hints(path) if FLAG.search(COMMANDS.sub("", h))]
    assert {name: flags for name, flags in found.items() if flags} == {}


def test_every_error_has_a_hint() -> None:
    with pytest.raises(TypeError):
        EdgeMedError("It was closed.")  # type: ignore[call-arg]
