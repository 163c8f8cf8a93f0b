"""What AMX brings: a model as llama.cpp was built, against the same without AMX."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.run import FEW, ours
from devtools.report import Result, result
from edge_med.engine.llama.bindings import cpu_buffers
from edge_med.engine.llama.cpu.code_levels import AMX


def run(models: Sequence[Path], work: Path, runs: int) -> list[Result]:
    """Reading and writing of each model, each side in a process of its own, by turns.

    Args:
        models: GGUF text models.
        work: a folder for nothing.
        runs: rounds, after one that warms up.

    Raises:
        RuntimeError: AMX isn't used here, or a command failed.
    """
    if AMX not in cpu_buffers():
        raise RuntimeError("AMX isn't used here; edge-med doctor says what is")
    work.mkdir(parents=True)
    return [found for model in models for found in _speed(model, work, runs)]


def _speed(model: Path, work: Path, runs: int) -> list[Result]:
    mine = ours("speed", model, "--new", str(FEW))
    theirs = [*mine, "--without-amx"]
    rounds = [(_read(mine, work), _read(theirs, work)) for _ in range(runs + 1)][1:]
    return [
        result(
            f"{model.stem}: {what} with AMX, s for 1,000 tokens",
            [1000 / a[what] for a, _ in rounds],
            [1000 / b[what] for _, b in rounds],
            bar,
            1.0,
            [shlex.join(mine), shlex.join(theirs)],
        )
        for what, bar in (("read", 1.0), ("decode", 1.05))
    ]


def _read(command: list[str], work: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads(measure(command, work).output)
    return found
