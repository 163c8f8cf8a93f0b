"""How transformers continues ten prompts on the real 270M.

Made by `python -m scripts.make_golden_continuations`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from devtools import GOLDEN
from devtools.tie_rule import Step

PATH = GOLDEN / "continuations.json"


@dataclass(frozen=True, slots=True)
class Continuation:
    """A prompt, its ids, the reference's greedy tokens and what it thought at each of them."""

    prompt: str
    ids: tuple[int, ...]
    tokens: tuple[int, ...]
    steps: tuple[Step, ...]


def continuations() -> list[Continuation]:
    """All ten."""
    runs = json.loads(PATH.read_text("utf-8"))["runs"]
    return [
        Continuation(
            run["prompt"],
            tuple(run["ids"]),
            tuple(run["tokens"]),
            tuple(Step(tuple(s["ids"]), tuple(s["logprobs"])) for s in run["steps"]),
        )
        for run in runs
    ]
