"""The command line as a whole: its commands, and how it tells an error."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from edge_med import __version__ as edge_med_version
from edge_med import cli, errors
from tests.cli.conftest import Run
from tests.conftest import Checkpoints

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
    assert "There is no command 'cnovert'. Did you mean convert?" in done.err


@pytest.mark.parametrize("words", [("help",), ("--help",), ("-h",), ("help", "models")])
def test_help_is_a_word_too(edge_med: Command, words: tuple[str, ...]) -> None:
    done = edge_med(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: edge-med {'models ' if 'models' in words else ''}[OPTIONS]")


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_many_flags_stand_in_groups(edge_med: Command, command: str) -> None:
    shown = edge_med(command, "--help").out
    common, answer, rest = (
        shown.index(f"\n{group}:\n") for group in ("Common", "Answer", "Advanced and hardware")
    )
    assert common < shown.index("  --image ") < answer < shown.index("  --seed ") < rest
    assert rest < shown.index("  --kv ")
    assert "Options:" not in shown


@pytest.mark.parametrize("word", ["-v", "-V", "--version", "version"])
def test_the_version_is_told_by_any_name(edge_med: Command, word: str) -> None:
    assert edge_med(word).out == f"edge-med, version {edge_med_version}\n"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("ask", "is", "it", "large"), "hint: Put the question in quotes"),
        (("chat", "foo.png"), "hint: Give images with --image, as in: edge-med chat --image"),
        (("convert", "x", "--out", "y"), "hint: As in: --quant Q4_K_M"),
        (("completion",), "error: Missing argument 'SHELL'. Choose from: bash, zsh, fish"),
    ],
)
def test_a_call_that_lacks_something_says_what_in_one_line(
    edge_med: Command, call: tuple[str, ...], told: str
) -> None:
    done = edge_med(*call)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("\n") == 2


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
    assert (done.code, done.err.lstrip()) == (130, "Interrupted.\n")


def test_colour_is_off_where_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in cli.styled("error:", "red")
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli.styled("error:", "red") == "error:"


def test_what_the_system_refuses_is_told_in_two_lines(
    edge_med: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = edge_med(
        "convert", checkpoint("text"), "--out", tmp_path / "file/models", "--quant", "Q8_0"
    )
    assert (done.code, done.err.count("\n")) == (3, 2)


def test_a_fault_of_ours_is_called_one(edge_med: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_arguments: Any, **_options: Any) -> None:
        raise KeyError("n_layers")

    monkeypatch.setattr(cli.root, "invoke", break_down)
    done = edge_med("verify", ".")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: This is a fault of edge-med: KeyError: 'n_layers'\nhint: ")


def test_a_command_whose_package_is_gone_says_what_to_install(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert edge_med("--help").code == 0
    done = edge_med("convert")
    assert (done.code, "isn't installed" in done.err) == (2, True)


def test_whoever_stops_reading_ends_it_quietly(checkpoint: Checkpoints, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_med", "convert", str(checkpoint("text"))]
    options = ["--out", str(tmp_path), "--quant", "Q8_0", "--dry-run"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_another_end_of_the_process_keeps_its_code(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_arguments: Any, **_options: Any) -> None:
        sys.exit(3)

    monkeypatch.setattr(cli.root, "invoke", leave)
    assert edge_med("verify", ".").code == 3


@pytest.mark.parametrize("command", [(), ("config",)])
def test_a_command_without_a_word_gets_its_help(
    command: tuple[str, ...], edge_med: Callable[..., Run]
) -> None:
    done = edge_med(*command)
    assert (done.code, done.err) == (0, "")
    assert "Commands:" in done.out.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such shell")
def test_a_closed_stdout_is_no_fault() -> None:
    command = f'"{sys.executable}" -m edge_med inspect none.gguf >&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "fault of edge-med" not in done.stderr
