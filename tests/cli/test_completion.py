"""`edge-med completion`, and what a shell gets from it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run

Command = Callable[..., Run]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(edge_med: Command, shell: str) -> None:
    done = edge_med("completion", shell)
    assert done.code == 0
    assert f"_EDGE_MED_COMPLETE={shell}_complete" in done.out


def test_another_shell_exits_with_2(edge_med: Command) -> None:
    assert edge_med("completion", "tcsh").code == 2


def completed(*words: str, home: Path) -> list[str]:
    """What the shell is offered for the last word."""
    asked = {
        "_EDGE_MED_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("edge-med", *words)),
        "COMP_CWORD": str(len(words)),
        "EDGE_MED_HOME": str(home),
    }
    code = "from edge_med.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()


def test_commands_flags_and_names_of_models_are_completed(tmp_path: Path) -> None:
    (tmp_path / "models" / "medgemma").mkdir(parents=True)
    assert completed("comp", home=tmp_path) == ["plain,compare", "plain,completion"]
    assert "plain,--save-box" in completed("ask", "--sa", home=tmp_path)
    assert "plain,medgemma" in completed("ask", "--model", "med", home=tmp_path)
