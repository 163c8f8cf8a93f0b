"""What transformers answers with an adapter, and what our files think along that answer."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from devtools.tie_rule import Agreement, Step, compare, divergence, step_of
from edge_med import imaging
from edge_med.config import LoadOptions
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import SIDE, phantom
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.engine.engine import Engine
from edge_med.imaging import Picture
from scripts.finetunes import trained
from scripts.finetunes.trained import Asked

LENGTH = 20
"""Tokens of each answer."""

Files = tuple[Path, Path | None]


@dataclass(frozen=True)
class Run:
    """A question, its answer by the reference, and what the reference thought along it.

    Attributes:
        ids: of the question.
        said: of the answer.
        seed: of the phantom that is shown.
        steps: of the answer's tokens.
        moved: mean divergence of the base model along the answer, in nats.
    """

    ids: list[int]
    said: list[int]
    seed: int | None
    steps: tuple[Step, ...]
    moved: float


def opened(files: Files) -> closing[Engine]:
    """An engine for a text model and its projector."""
    return closing(Engine(*files, LoadOptions(context=256, threads=1)))


def run(model: Any, base: Any, engine: Engine, asked: Asked, token: int | None) -> Run:
    """A question's answer by the reference, the most probable token each time.

    Args:
        model: the reference.
        base: the same without adapters.
        engine: of our files. It guesses what the reference says: as far as it is right, one pass of
            the reference shows it.
        asked: the question.
        token: that is put into the question.
    """
    text, seed = asked
    ids = trained.ids_of(text, shown=seed is not None)
    if token is not None:
        ids = [*ids[:-4], token, *ids[-4:]]
    values = None if seed is None else trained.values_of(pixels(phantom(seed)))
    said: list[int] = []
    while len(said) < LENGTH:
        guess = _guess(engine, ids, seed, said)
        best = _along(model, ids, guess, values).argmax(-1).tolist()
        while len(said) < LENGTH and best[len(said)] == guess[len(said)]:
            said.append(guess[len(said)])
        if len(said) < LENGTH:
            said.append(best[len(said)])
    steps = tuple(map(step_of, _along(model, ids, said, values)))
    other = _along(base, ids, said, values)
    moved = float(np.mean([divergence(s, row) for s, row in zip(steps, other, strict=True)]))
    return Run(ids, said, seed, steps, moved)


def agreement(engine: Engine, run: Run) -> Agreement:
    """What our files think along the reference's answer."""
    thought = [_thought(engine, run.ids, run.seed, run.said[:n]) for n in range(LENGTH)]
    return compare(run.steps, thought)


def _along(model: Any, ids: list[int], said: list[int], values: Any) -> Any:
    """The reference's logits before each token of an answer."""
    return trained.logits(model, [*ids, *said], values)[len(ids) - 1 : -1]


def _guess(engine: Engine, ids: list[int], seed: int | None, said: list[int]) -> list[int]:
    guess = list(said)
    while len(guess) < LENGTH:
        guess.append(int(_thought(engine, ids, seed, guess).argmax()))
    return guess


def _thought(engine: Engine, ids: list[int], seed: int | None, said: list[int]) -> Any:
    """Our logits after a question and a part of its answer."""
    items: list[Item] = list(ids)
    pictures: dict[str, Picture] = {}
    if seed is not None:
        grey = pixels(phantom(seed))
        picture = imaging.open(np.repeat(grey[:, :, None], 3, axis=2), fit="pad", side=SIDE)
        pictures = {picture.sha256: picture}
        soft = [at for at, token in enumerate(ids) if token == trained.SOFT]
        items[soft[0] : soft[-1] + 1] = [ImageBlock(picture.sha256, len(soft))]
    engine.slot.prefill([*items, *said], pictures)
    return engine.slot.logits().copy()
