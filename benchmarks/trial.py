"""What the trial of the CPU's code costs the first start, against importing numpy and llama_cpp."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from benchmarks.measure import measure
from devtools.report import Result, result

BAR = 6.0
"""Times of the imports; a trial of two or three levels takes the most."""

TRIAL = "from edge_med.engine.llama.cpu import probe; probe.verdict(anew=True)"
IMPORTS = "import numpy, llama_cpp"


def run(work: Path, runs: int) -> list[Result]:
    """Both as processes, by turns.

    Args:
        work: an empty folder; the verdict is remembered there.
        runs: rounds, after one that warms up.

    Raises:
        RuntimeError: a command failed.
    """
    work.mkdir(parents=True)
    home = {"EDGE_MED_HOME": str(work)}
    mine = [sys.executable, "-c", TRIAL]
    theirs = [sys.executable, "-P", "-c", IMPORTS]
    rounds = [
        (measure(mine, work, home).seconds, measure(theirs, work).seconds) for _ in range(runs + 1)
    ][1:]
    return [
        result(
            "trial of the CPU's code, s, against importing numpy and llama_cpp",
            [a for a, _ in rounds],
            [b for _, b in rounds],
            BAR,
            1.0,
            [shlex.join(mine), shlex.join(theirs)],
        )
    ]
