"""Whatever is given as a schema or a grammar, the process lives on and says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Models

ROOT = Path(__file__).parents[2]
SECONDS = 300
"""For all of them; they take ten."""


def run(model: Models, count: int) -> int:
    """How many were tried in a process of its own."""
    path = model("text", "F32") / "text-F32.gguf"
    command = [sys.executable, "-m", "tests.engine.hostile_grammars", str(path), str(count)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    *complaints, last = done.stdout.splitlines()
    assert complaints == []
    tried: int = json.loads(last)["tried"]
    return tried


def test_hostile_schemas_and_grammars_are_refused_or_kept_within_bounds(model: Models) -> None:
    assert run(model, 30) > 100


@pytest.mark.long
def test_two_thousand_of_them_are(model: Models) -> None:
    assert run(model, 1000) > 2000
