"""Our share of reading and writing: how much longer a call takes than llama.cpp's part of it.

Both are measured in the same run of the same process, so that a machine whose speed wanders shows
the same ratio each time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ours import MEASURED, PROMPT
from devtools.report import Result, result
from edge_med import MedGemma, Options
from edge_med._platform import usable_cores
from edge_med.engine.llama.context import Context

BAR = 1 / 0.97
NEW = 48


def run(models: Sequence[Path], _work: Path, runs: int) -> list[Result]:
    """Reading and writing of each model, against the time inside of llama.cpp."""
    return [found for model in models for found in _share(model, runs)]


def _loaded(path: Path) -> MedGemma:
    """In this process, where the clock is."""
    return MedGemma.load(path, context=2048, threads=usable_cores(), isolation="thread")


def _share(path: Path, runs: int) -> list[Result]:
    clock = _Clock()
    rounds: dict[str, list[tuple[float, float]]] = {"read": [], "decode": []}
    with clock, _loaded(path) as model:
        model.ask(PROMPT, options=Options(max_new_tokens=2))
        for number in range(runs):
            clock.seconds = 0.0
            words = (" lung", " heart")[number % 2] * MEASURED
            read = model.ask(words, options=Options(max_new_tokens=1)).timings.read
            rounds["read"].append((read, clock.seconds))
            model.ask(PROMPT, options=Options(max_new_tokens=1))
            clock.seconds = 0.0
            answer = model.ask(PROMPT, options=Options(max_new_tokens=NEW + 1))
            rounds["decode"].append((answer.timings.decode, clock.seconds))
    return [
        result(
            f"{path.stem}: {what}, s, against llama.cpp's part of it",
            [ours for ours, _ in pairs],
            [inside for _, inside in pairs],
            BAR,
            1.0,
        )
        for what, pairs in rounds.items()
    ]


class _Clock:
    """Adds up the time inside of llama.cpp's decoding while it is entered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._run = Context._run

    def __enter__(self) -> None:
        clock, inner = self, self._run

        def timed(context: Context, *arguments: Any) -> None:
            began = time.perf_counter()
            inner(context, *arguments)
            clock.seconds += time.perf_counter() - began

        Context._run = timed  # type: ignore[method-assign, assignment]

    def __exit__(self, *_: object) -> None:
        Context._run = self._run  # type: ignore[method-assign]
