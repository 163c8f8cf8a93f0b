"""What a process of its own costs: the same model in one and in a thread, by turns."""

from __future__ import annotations

import shlex
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.measure import measure
from devtools.report import Result, result
from edge_med import MedGemma, Options
from edge_med.answers import Answer

WRITING = 1 / 0.98
"""Of the time a token in a thread."""

LOADING = 1.5
"""Of the time that `import numpy, llama_cpp` takes."""

FOLLOWING = 0.1
"""Of the time of a token."""

TOKENS = 96
CONTEXT = 2048
IMPORTS = "import numpy, llama_cpp"
COMMAND = ["python -m benchmarks isolation"]
Where = Literal["process", "thread"]


def run(models: Sequence[Path], work: Path, runs: int) -> list[Result]:
    """Writing, the first token of a follow-up, and loading a second time.

    Args:
        models: GGUF text models.
        work: an empty folder.
        runs: rounds, after one that warms up.
    """
    work.mkdir(parents=True)
    return [
        found for model in models for found in (*_asking(model, runs), _loading(model, work, runs))
    ]


def _load(model: Path, where: Where) -> MedGemma:
    return MedGemma.load(model, context=CONTEXT, isolation=where)


def _asking(model: Path, runs: int) -> list[Result]:
    options = Options(max_new_tokens=TOKENS, stop_loops=False, stop_ids=())
    with _load(model, "process") as process, _load(model, "thread") as thread:
        rounds = []
        for number in range(runs + 1):
            one, other = (_two(loaded, options, number) for loaded in (process, thread))
            rounds.append((one, other))
            print(f"{one} {other}", flush=True)
    counted = rounds[1:]
    token = statistics.median(b.token for _, b in counted)
    return [
        result(
            f"{model.stem}: writing in a process, ms a token",
            [a.token for a, _ in counted],
            [b.token for _, b in counted],
            WRITING,
            1.0,
            COMMAND,
        ),
        result(
            f"{model.stem}: first token of a follow-up, ms more than in a thread, of a token's",
            [max(0.0, a.first - b.first) for a, b in counted],
            [token] * len(counted),
            FOLLOWING,
            0.0,
            COMMAND,
        ),
    ]


class _Two:
    """A question and a follow-up: milliseconds a token, and up to the first of the follow-up."""

    def __init__(self, first: Answer, seconds: float) -> None:
        self.token = 1000 / first.timings.tokens_per_second
        self.first = 1000 * seconds

    def __str__(self) -> str:
        return f"{self.token:.2f} ms a token, follow-up {self.first:.1f} ms"


def _two(loaded: MedGemma, options: Options, number: int) -> _Two:
    question = f"{number}. The heart is an organ that"
    first = loaded.ask(question, options=options)
    again = f"{question}{first.text}\nThe lungs"
    began = time.perf_counter()
    events = loaded.stream(again, options=Options(max_new_tokens=1))
    for event in events:
        if type(event).__name__ == "Piece":
            break
    seconds = time.perf_counter() - began
    for _ in events:
        pass
    return _Two(first, seconds)


def _loading(model: Path, work: Path, runs: int) -> Result:
    """Both loaded a second time, and the imports, by turns."""
    imports = [sys.executable, "-P", "-c", IMPORTS]
    more, theirs = [], []
    for number in range(runs + 1):
        seconds = {where: _seconds(model, where) for where in ("process", "thread")}
        if number:
            more.append(seconds["process"] - seconds["thread"])
            theirs.append(measure(imports, work).seconds)
    return result(
        f"{model.stem}: loading in a process, s more than in a thread, against the imports",
        more,
        theirs,
        LOADING,
        1.0,
        [*COMMAND, shlex.join(imports)],
    )


def _seconds(model: Path, where: Where) -> float:
    began = time.perf_counter()
    with _load(model, where):
        return time.perf_counter() - began


FIRST, LAST, PICTURES = 400, 2000, 50
"""Calls between which memory may not grow, and how many pictures they are about."""

SHARE, BYTES = 0.02, 4 << 20
"""That it may grow by, of what there is after the first calls."""


def growth(model: Path, _work: Path, _runs: int) -> list[Result]:
    """Memory of both processes along calls about pictures, with all budgets used up.

    Args:
        model: a folder with a projector.
    """
    random = np.random.default_rng(1)
    points = []
    with MedGemma.load(model, context=1024) as loaded:
        side = loaded.side
        pictures = [random.integers(0, 255, (side, side, 3), np.uint8) for _ in range(PICTURES)]
        for call in range(LAST + 1):
            shown = pictures[int(random.integers(PICTURES))]
            loaded.ask(f"{call}: is it large", image=shown, options=Options(max_new_tokens=4))
            if call >= FIRST and call % 20 == 0:
                points.append((call, _memory()))
    calls, sizes = zip(*points, strict=True)
    grown = float(np.polyfit(calls, sizes, 1)[0]) * (LAST - FIRST)
    least = min(SHARE * sizes[0], BYTES)
    print(f"{grown / 1e6:.2f} MB of {sizes[0] / 1e6:.1f} MB")
    return [
        result(
            f"{model.name}: growth over {LAST - FIRST} calls, MB, against what is allowed",
            [max(0.0, grown) / 1e6],
            [least / 1e6],
            1.0,
            0.0,
            ["python -m benchmarks growth"],
        )
    ]


def _memory() -> int:
    """Bytes of anonymous memory, swapped out or not, of the program and the engine's process."""
    pids = ["self", *map(str, _children())]
    return sum(_field(pid, name) for pid in pids for name in ("RssAnon", "VmSwap"))


def _children() -> list[int]:
    path = Path("/proc/self/task")
    found = [one.read_text().split() for one in path.glob("*/children")]
    return [int(pid) for pids in found for pid in pids if _is_engine(pid)]


def _is_engine(pid: str) -> bool:
    return b"edge_med.engine.service.child" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _field(pid: str, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [one for one in lines if one.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
