"""Whether the time of a conversion grows as the bytes of its tensors do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.convert import commands, measure_step, shown
from devtools.reference import require_tools
from devtools.report import Result, result

OURS = "ours Q8_0"
THEIRS = ("convert to Q8_0", "convert the projector")
EVEN = 1.25
"""How much more a gigabyte may take in one model than in another; the machine wanders as much."""


@dataclass(frozen=True, slots=True)
class Grown:
    """One checkpoint: its size in GB, and the seconds of each round."""

    name: str
    gigabytes: float
    ours: tuple[float, ...]
    planning: tuple[float, ...]
    theirs: tuple[float, ...]
    commands: tuple[str, ...]

    @property
    def each(self) -> list[float]:
        """Seconds for a gigabyte, without those for the vocabulary, which all sizes share."""
        rounds = zip(self.ours, self.planning, strict=True)
        return [(whole - planned) / self.gigabytes for whole, planned in rounds]


def run(checkpoints: Sequence[Path], work: Path, runs: int) -> list[Result]:
    """Q8_0 of several checkpoints, beside llama.cpp's converter writing Q8_0 itself.

    Raises:
        RuntimeError: a command failed, or the rival is missing.
    """
    require_tools()
    grown = [_measure(checkpoint, work, runs) for checkpoint in checkpoints]
    first = grown[0]
    beside = [
        result(
            f"{g.name}, {g.gigabytes:.2f} GB to Q8_0, s", g.ours, g.theirs, 1.0, None, g.commands
        )
        for g in grown
    ]
    even = [
        result(f"{g.name}: s for each GB, beside {first.name}'s", g.each, first.each, EVEN)
        for g in grown[1:]
    ]
    return beside + even


def _measure(checkpoint: Path, work: Path, runs: int) -> Grown:
    steps = commands(checkpoint, work)
    theirs = [name for name in THEIRS if name in steps]
    rounds = [_round(checkpoint, steps, theirs, work) for _ in range(runs)]
    ours, planning, peer = zip(*rounds, strict=True)
    size = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors")) / 1e9
    lines = tuple(shown(steps[name], work) for name in (OURS, *theirs))
    return Grown(checkpoint.name, size, ours, planning, peer, lines)


def _round(
    checkpoint: Path, steps: dict[str, list[str]], theirs: list[str], work: Path
) -> tuple[float, float, float]:
    for folder in ("ours", "theirs"):
        (work / folder).mkdir(parents=True)
    ours = measure_step(OURS, steps[OURS], work).seconds
    planning = measure_step(OURS, [*steps[OURS], "--dry-run"], work).seconds
    peer = sum(measure_step(name, steps[name], work).seconds for name in theirs)
    shutil.rmtree(work)
    print(
        f"{checkpoint.name}: {ours:.1f} s, planning {planning:.1f} s, peer {peer:.1f} s", flush=True
    )
    return ours, planning, peer
