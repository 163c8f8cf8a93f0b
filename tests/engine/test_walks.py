"""Random walks of edits: whatever was asked before, an answer is what a fresh engine would give."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_med import imaging
from edge_med.config import LoadOptions
from edge_med.engine.core import Engine
from edge_med.engine.ledger import ImageBlock, Item, length
from edge_med.imaging import Picture
from tests.conftest import Models
from tests.tie_rule import Step, compare

Floats = npt.NDArray[np.float32]

SIDE, IMAGE_TOKENS = 56, 4
OPTIONS = LoadOptions(context=1024, batch=64, threads=1, checkpoint_bytes=400_000)
"""The tiny model's window cache has 256 cells, so that most walks run over its end."""

EDITS = 300


@dataclass(frozen=True)
class Files:
    text: Path
    projector: Path


@pytest.fixture(scope="module")
def files(model: Models) -> Files:
    folder = model("multimodal", "F32")
    return Files(folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf")


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    noise = np.random.default_rng(5)
    made = [
        imaging.open(noise.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), side=SIDE)
        for _ in range(3)
    ]
    return {picture.sha256: picture for picture in made}


@pytest.fixture
def engine(files: Files) -> Iterator[Engine]:
    opened = Engine(files.text, files.projector, OPTIONS)
    yield opened
    opened.close()


Turn = tuple[Item, ...]


class Walk:
    """A conversation that is edited at random; turns are items, as they'd be after composing."""

    def __init__(self, seed: int, keys: Sequence[str], vocabulary: int) -> None:
        self.random = random.Random(seed)
        self._keys = keys
        self._vocabulary = vocabulary
        self.turns: list[Turn] = [self._turn()]

    @property
    def items(self) -> list[Item]:
        return [item for turn in self.turns for item in turn]

    def edit(self) -> str:
        """Change something; returns what."""
        kinds: list[Callable[[], None]] = [
            self._ask, self._ask, self._ask, self._regenerate, self._undo, self._edit,
            self._drop_image, self._add_image,
        ]  # fmt: skip
        chosen = self.random.choice(kinds)
        chosen()
        while length(self.items) > OPTIONS.context - 24:
            self.turns = self.turns[: len(self.turns) // 2]
        return chosen.__name__

    def _text(self, most: int = 60) -> list[Item]:
        count = self.random.randint(1, most)
        return [self.random.randrange(300, self._vocabulary) for _ in range(count)]

    def _image(self) -> ImageBlock:
        return ImageBlock(self.random.choice(self._keys), IMAGE_TOKENS)

    def _turn(self) -> Turn:
        shown = [self._image()] if self.random.random() < 0.4 else []
        return (*self._text(10), *shown, *self._text())

    def _ask(self) -> None:
        self.turns.append(self._turn())

    def _regenerate(self) -> None:
        pass

    def _undo(self) -> None:
        self.turns = self.turns[:-1] or [self._turn()]

    def _edit(self) -> None:
        place = self.random.randrange(len(self.turns))
        self.turns = [*self.turns[:place], self._turn()]

    def _drop_image(self) -> None:
        place = self.random.randrange(len(self.turns))
        kept = tuple(item for item in self.turns[place] if isinstance(item, int))
        self.turns = [*self.turns[:place], kept, *self.turns[place + 1 :]]

    def _add_image(self) -> None:
        place = self.random.randrange(len(self.turns))
        changed = (self.turns[place][0], self._image(), *self.turns[place][1:])
        self.turns = [*self.turns[:place], changed, *self.turns[place + 1 :]]


def step(logits: Floats) -> Step:
    """What a fresh engine thinks of the next token, as a reference."""
    wide = logits.astype(np.float64)
    logprobs = wide - wide.max() - np.log(np.exp(wide - wide.max()).sum())
    best = np.argsort(-logprobs)[:64]
    return Step(tuple(map(int, best)), tuple(map(float, logprobs[best])))


def test_a_walk_of_edits_agrees_with_fresh_engines(
    engine: Engine, files: Files, pictures: dict[str, Picture]
) -> None:
    walk = Walk(1, list(pictures), engine.model.vocabulary.size)
    steps, ours, reused = [], [], 0
    fresh = Engine(files.text, files.projector, OPTIONS)
    forgot = restored = 0
    for _ in range(EDITS):
        walk.edit()
        before = engine.ledger.reuse(walk.items, engine.context.oldest)
        forgot += engine.context.oldest > 0
        restored += before.checkpoint is not None
        reading = engine.read(walk.items, pictures)
        engine.keep(logits=True)
        assert engine.ledger.items == walk.items
        assert (reading.prompt, reading.cached) == (length(walk.items), before.position)
        reused += reading.cached > 0
        ours.append(engine.logits().copy())
        for token in walk.random.sample(range(300, 700), k=walk.random.randint(0, 6)):
            engine.add(token)  # an answer, which the next edit mostly takes back
        fresh._forget()
        fresh.read(walk.items, pictures)
        steps.append(step(fresh.logits()))
    fresh.close()
    agreement = compare(steps, ours)
    assert agreement.holds(), agreement
    assert min(forgot, restored, reused) > 30, "the walk must cross the window and come back"
    assert sum(kept.size for kept in engine.ledger.checkpoints) <= OPTIONS.checkpoint_bytes


def test_ignoring_the_window_would_be_noticed(engine: Engine) -> None:
    """The negative control: reuse behind the window gives other logits."""
    text = [300 + n % 400 for n in range(700)]
    engine.read(text)
    assert engine.context.oldest > 0
    engine.context.truncate(200)
    engine.ledger.truncate(200)
    engine.context.decode(text[200:220], 200)
    wrong = engine.logits().copy()
    engine._forget()
    engine.read(text[:220])
    assert not compare([step(engine.logits())], [wrong]).holds()
