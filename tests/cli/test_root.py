"""The command line as a whole: it starts at once, and tells every error in two lines."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from edge_med import cli, errors
from tests.cli.conftest import Run

Command = Callable[..., Run]
HEAVY = ("numpy", "PIL", "llama_cpp", "pydicom", "gguf", "rich", "yaml", "requests", "jinja2")


def loaded_by(code: str) -> set[str]:
    """Which packages a fresh interpreter has loaded after running code."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_loads_nothing_heavy() -> None:
    assert not loaded_by("import edge_med").intersection((*HEAVY, "click"))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import edge_med.cli\ntry:\n    edge_med.cli.main(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert not loaded_by(code).intersection(HEAVY)


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


def test_a_foreign_version_of_llama_cpp_python_is_refused_before_it_is_touched(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from edge_med import _platform

    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.3.99")
    for function in (
        _platform.require_llama_cpp_python,
        lambda: _platform.native_library("ggml-base"),
    ):
        with pytest.raises(errors.EngineError) as caught:
            function()
        assert "0.3.99 is installed" in caught.value.message
        assert 'pip install "llama-cpp-python==0.3.36"' in caught.value.hint


def test_no_module_below_the_command_line_prints_or_exits() -> None:
    for package in ("edge_med", "converters"):
        folder = Path(importlib.import_module(package).__path__[0])
        for path in folder.rglob("*.py"):
            if "cli" in path.parts or path.name in ("cli.py", "__main__.py"):
                continue
            names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
            assert not names & {"print", "exit", "quit", "SystemExit"}, path
