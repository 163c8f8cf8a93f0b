"""The command line as a whole: its commands, and how it tells an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import pytest

from edge_med import cli, errors
from tests.cli.conftest import Run

Command = Callable[..., Run]


def test_help_lists_all_commands(edge_med: Command) -> None:
    done = edge_med("--help")
    assert done.code == 0
    for name in ("ask", "convert", "demo", "inspect", "verify"):
        assert f"  {name} " in done.out
    assert "never for diagnosis or treatment" in done.out


def test_an_unknown_command_exits_with_2(edge_med: Command) -> None:
    done = edge_med("cnovert")
    assert done.code == 2
    assert "No such command 'cnovert'" in done.err


def test_a_missing_package_says_what_to_install(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda **_: ())
    done = edge_med("convert", "x")
    assert done.code == 2
    assert "pip install" in done.err


def every_error() -> list[type[errors.EdgeMedError]]:
    found = [errors.EdgeMedError]
    for kind in found:
        found += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", every_error())
def test_every_error_of_ours_is_told_in_two_lines_and_a_code(
    kind: type[errors.EdgeMedError], edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise kind("It broke.", "Mend it.")

    monkeypatch.setattr(cli.root, "invoke", fail)
    done = edge_med("verify", ".")
    assert (done.code, done.out) == (kind.exit_code, "")
    assert done.err == "error: It broke.\nhint: Mend it.\n"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, click.Abort])
def test_ctrl_c_exits_with_130(
    stop: type[BaseException], edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: Any, **_options: Any) -> None:
        raise stop

    monkeypatch.setattr(cli.root, "invoke", interrupt)
    done = edge_med("verify", ".")
    assert (done.code, done.err.lstrip()) == (130, "error: Interrupted.\n")


def test_colour_is_off_where_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in cli.styled("error:", "red")
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli.styled("error:", "red") == "error:"
