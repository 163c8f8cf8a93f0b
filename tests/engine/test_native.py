"""How llama.cpp's libraries are loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edge_med.engine.native import SPINS

LOADED = """
import os
from edge_med.engine.native import llama_cpp
llama_cpp()
print(os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, SPINS),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "None"),
    ],
)
def test_threads_wait_awake_only_briefly_unless_told_otherwise(
    given: dict[str, str], kept: str
) -> None:
    untold = {
        name: value
        for name, value in os.environ.items()
        if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=untold | given,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == kept
