"""Whether the time of a conversion grows as the bytes of its tensors do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.convert import commands, measure_step, shown
from benchmarks.report import Result, result
from scripts.reference import require_tools


def run(checkpoints: Sequence[Path], work: Path, runs: int) -> list[Result]:
    """Q8_0 of several checkpoints, beside llama.cpp's converter writing Q8_0 itself.

    Raises:
        RuntimeError: a command failed, or the rival is missing.
    """
    require_tools()
    return [_one(checkpoint, work, runs) for checkpoint in checkpoints]


def _one(checkpoint: Path, work: Path, runs: int) -> Result:
    steps = commands(checkpoint, work)
    both: dict[str, list[float]] = {"ours Q8_0": [], "convert to Q8_0": []}
    size = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors")) / 1e9
    for _ in range(runs):
        for name, seconds in both.items():
            for folder in ("ours", "theirs"):
                (work / folder).mkdir(parents=True)
            cost = measure_step(name, steps[name], work)
            seconds.append(cost.seconds)
            shutil.rmtree(work)
            print(f"{checkpoint.name}: {name}: {cost.seconds / size:.2f} s/GB", flush=True)
    ours, theirs = both.values()
    return result(
        f"{checkpoint.name}, {size:.2f} GB, s",
        ours,
        theirs,
        1.0,
        commands=[shown(steps[name], work) for name in both],
    )
