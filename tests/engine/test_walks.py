"""Random walks of edits: whatever was asked before, an answer is what a fresh engine would give."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import PADDED_VOCABULARY, Text, Tiny, Vision, write_tiny
from devtools.golden.numbers import entropy
from devtools.tie_rule import Step, compare, divergence
from edge_med import imaging
from edge_med.artifacts.file_names import projector_file, text_file
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock, Item, length
from edge_med.engine.engine import Engine
from edge_med.imaging import Picture

Floats = npt.NDArray[np.float32]

SIDE, IMAGE_TOKENS = 56, 4
OPTIONS = LoadOptions(context=640, batch=64, threads=1, checkpoint_bytes=1_000_000)
"""The tiny model's window cache has 256 cells, so that most walks run over its end."""

EDITS = 300
COMPARED = 3
"""Every so many edits a fresh engine reads it all; what is reused is checked at each."""

WALKS = (1, 2)
LONG_WALKS = (3, 4, 5, 6)
NOTICED = 1e-2

SHARP = Tiny(
    seed=41,
    sharp=True,
    text=Text(layers=6, hidden=64, feed_forward=128, heads=1, key_value_heads=1, context=1024),
    vision=Vision(),
)
"""With opinions: where probabilities are nearly equal, any two engines would check_config."""


@dataclass(frozen=True)
class Files:
    text: Path
    projector: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    base = tmp_path_factory.mktemp("walks")
    source = write_tiny(SHARP, base / "checkpoint")
    convert(ConversionRequest(source=source, folder=base, quants=("F32",), name="sharp"))
    return Files(base / text_file("sharp", "F32"), base / projector_file("sharp", "F16"))


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


@dataclass
class Oracle:
    """What the cache must hold by the rules of architecture.md, in words of its own.

    It knows nothing of the ledger: positions as one long list of what lies at each, the first of
    them that the window layers still have, and the places to which one can go back.
    """

    window: int
    held: list[tuple[Item, int]] = field(default_factory=list)
    places: set[int] = field(default_factory=set)

    def cached(self, items: Sequence[Item], oldest: int) -> int:
        """Positions of a prompt that needn't be read again."""
        wanted = spread(items)
        pairs = zip(self.held, wanted, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        while 0 < same < len(wanted) and wanted[same][1]:  # the middle of an image
            same -= 1
        if same == len(wanted) and same in self.places:  # logits were kept there as well
            return same
        if same == len(wanted):  # something must be read, or nobody knows what comes next
            same -= wanted[-1][1] + 1
        sees_from = max(0, same - (self.window - 1))
        if oldest <= sees_from:
            return same
        return max((place for place in self.places if place <= same), default=0)

    def read(self, items: Sequence[Item], cached: int, kept: set[int]) -> None:
        """A prompt was read, and its end kept; `kept` are the places that the budget left."""
        self.held = spread(items)
        self.places = {place for place in self.places if place <= cached} | {len(self.held)}
        self.places &= kept

    def write(self, tokens: Sequence[int]) -> None:
        """An answer was written."""
        self.held += spread(tokens)


def spread(items: Sequence[Item]) -> list[tuple[Item, int]]:
    """What lies at each position: an item, and which of its rows."""
    return [(item, row) for item in items for row in range(length([item]))]


@dataclass
class Told:
    """What a walk told of itself."""

    steps: list[Step] = field(default_factory=list)
    ours: list[Floats] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    forgot: int = 0
    went_back: int = 0
    reused: int = 0


def walked(seed: int, engine: Engine, files: Files, pictures: dict[str, Picture]) -> Told:
    """Walk, and hold each reading against the oracle, and some against a fresh engine."""
    walk, told = Walk(seed, list(pictures), PADDED_VOCABULARY - 64), Told()
    oracle = Oracle(SHARP.text.window)
    fresh = Engine(files.text, files.projector, OPTIONS)
    for edits in range(EDITS):
        told.kinds.add(walk.edit())
        oldest = engine.slot.cells.oldest
        expected = oracle.cached(walk.items, oldest)
        reading = engine.slot.prefill(walk.items, pictures)
        assert (reading.prompt, reading.cached) == (length(walk.items), expected)
        assert engine.slot.ledger.items == walk.items
        engine.slot.save_checkpoint(logits=True)
        oracle.read(
            walk.items, expected, {kept.position for kept in engine.slot.ledger.checkpoints}
        )
        told.forgot += oldest > 0
        told.went_back += expected in oracle.places and oldest > max(0, expected - 31)
        told.reused += expected > 0
        if edits % COMPARED == 0:
            told.ours.append(engine.slot.logits().copy())
            fresh.slot.clear()
            fresh.slot.prefill(walk.items, pictures)
            told.steps.append(step(fresh.slot.logits()))
        answer = walk.random.sample(range(300, 600), k=walk.random.randint(0, 6))
        for token in answer:
            engine.slot.decode_one(token)  # an answer, which the next edit mostly takes back
        oracle.write(answer)
    fresh.close()
    return told


def check(seed: int, engine: Engine, files: Files, pictures: dict[str, Picture]) -> None:
    told = walked(seed, engine, files, pictures)
    assert len(told.kinds) == 6, "every kind of edit must be among them"
    assert min(told.forgot, told.reused) > EDITS / 10, "the walk must cross the window"
    assert told.went_back > EDITS / 30, "and come back over it"
    assert max(entropy(one, PADDED_VOCABULARY) for one in told.steps) < log(PADDED_VOCABULARY) / 2
    agreement = compare(told.steps, told.ours)
    print(f"walk {seed}: {agreement}")
    assert agreement.holds(), agreement
    assert sum(kept.size for kept in engine.slot.ledger.checkpoints) <= OPTIONS.checkpoint_bytes


@pytest.mark.parametrize("seed", WALKS)
def test_a_walk_of_edits_agrees_with_fresh_engines(
    seed: int, engine: Engine, files: Files, pictures: dict[str, Picture]
) -> None:
    check(seed, engine, files, pictures)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_WALKS)
def test_more_walks_do(
    seed: int, engine: Engine, files: Files, pictures: dict[str, Picture]
) -> None:
    check(seed, engine, files, pictures)


def test_ignoring_the_window_would_be_noticed(engine: Engine) -> None:
    """The negative control: reuse behind the window gives other logits, by far."""
    rng = random.Random(7)
    text = [rng.randrange(300, 600) for _ in range(600)]
    engine.slot.prefill(text)
    assert engine.slot.cells.oldest > 0
    wrong, right = [], []
    engine.slot.cells.truncate(200)
    for end in range(200, 220):
        engine.slot.cells.decode(text[end : end + 1], end)
        wrong.append(engine.context.logits().copy())
    engine.slot.clear()
    for end in range(200, 220):
        engine.slot.prefill(text[: end + 1])
        right.append(step(engine.slot.logits()))
    mean = float(np.mean([divergence(one, row) for one, row in zip(right, wrong, strict=True)]))
    print(f"mean KL {mean:.2g}")
    assert mean > NOTICED
    assert not compare(right, wrong).holds()
