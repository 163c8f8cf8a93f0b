"""What transformers computes on sharp tiny checkpoints: cases as data, and the golden files.

Made by `python -m scripts.make_golden_numbers`; a golden file holds all that a test needs, so that
nothing of it is made twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from devtools import GOLDEN
from devtools.checkpoints.tiny import Text, Tiny, Vision, seeded
from devtools.tie_rule import Step
from edge_med.imaging import Fit

FOLDER = GOLDEN / "numbers"

PLAIN = Tiny(seed=21, sharp=True, text=Text(layers=6, context=2048), vision=Vision(), shards=2)

CHECKPOINTS = {
    "plain": PLAIN,
    # Five queries share each key; as in MedGemma's own projector, 4 x 4 patches make a token.
    "grouped": Tiny(
        seed=22,
        sharp=True,
        text=Text(
            layers=12, hidden=160, feed_forward=336, heads=5, key_value_heads=1, head_size=32
        ),
        vision=Vision(layers=3, image_size=112),
    ),
    # An image takes twice as many tokens as the window layers see.
    "narrow": Tiny(
        seed=23,
        sharp=True,
        text=Text(layers=7, hidden=128, heads=2, key_value_heads=1, window=8),
        vision=Vision(image_size=112, image_tokens=16),
    ),
    # 27B's: the layers at which llama.cpp scales attention otherwise; width, heads and head size as
    # 168 : 1 : 128; rope.
    "27b": Tiny(
        seed=24,
        sharp=True,
        text=Text(layers=62, hidden=168, feed_forward=256, heads=4, head_size=32, rope_factor=8.0),
        vision=Vision(),
    ),
    "rope": Tiny(
        seed=25,
        sharp=True,
        text=Text(layers=6, hidden=128, heads=2, key_value_heads=1, context=4096, rope_factor=8.0),
        vision=Vision(image_size=112, image_tokens=16),
    ),
}

SAME_AS = {
    "plain-new-names": ("plain", replace(PLAIN, names="new")),
    "plain-transformers5": ("plain", replace(PLAIN, names="transformers5", shards=1)),
}
"""Checkpoints with the same weights under other names, and whose golden data they must meet."""

TESTED = tuple(range(-24, 0))


@dataclass(frozen=True, slots=True)
class Case:
    """A sequence that is read.

    Attributes:
        parts: numbers of noise tokens, and names of pictures.
        tested: the items after which the next token's probabilities are compared.
        batch: tokens that are read at once.
    """

    parts: tuple[int | str, ...]
    tested: tuple[int, ...] = TESTED
    fit: Fit = "pad"
    batch: int = 512


# The window layers keep the window and a batch, rounded up to 256 (llama-kv-cache-iswa.cpp): these
# prompts are longer than twice that.
_LONG = Case(("disc", 350, "cross", 250), batch=64)
_LONG_AND_LATE = Case((560, "disc", 3, "bar", 26), batch=64)

_EACH = {
    "text": Case((64,)),
    "middle": Case((16, "disc", 30)),
    "two": Case((8, "disc", 12, "bar", 26)),
    "long": _LONG,
}

CASES: dict[str, dict[str, Case]] = {
    "plain": {
        **_EACH,
        "first": Case(("disc", 30)),
        "last": Case((40, "cross", 23)),
        "three": Case((5, "disc", 9, "bar", 7, "disc", 26)),
        "side by side": Case((5, "disc", "bar", "cross", 24)),
        "long and late": _LONG_AND_LATE,
        "padded": Case((12, "wide", 24)),
        "stretched": Case((12, "wide", 24), fit="stretch"),
    },
    "grouped": {**_EACH, "three": Case((5, "bar", 9, "disc", 7, "cross", 26))},
    "narrow": {
        **_EACH,
        "first": Case(("bar", 26)),
        "last": Case((40, "disc", 23)),
        "three": Case((5, "disc", 9, "bar", 7, "disc", 26)),
        "long and late": _LONG_AND_LATE,
    },
    "27b": _EACH,
    "rope": {
        **_EACH,
        # Trained for 4,096: around there, far beyond, and at the end.
        "12,000 tokens": Case((12_000,), (*range(4088, 4104), *range(9000, 9016), *range(-64, 0))),
    },
}

CONTROLS: dict[str, tuple[tuple[str, str], ...]] = {
    "line breaks left out": (("plain", "middle"), ("narrow", "first")),
    "image read causally": (("narrow", "first"), ("narrow", "middle")),
    "window wider by one": (("plain", "text"), ("narrow", "text"), ("narrow", "middle")),
    "window narrower by one": (("plain", "text"), ("narrow", "text"), ("narrow", "middle")),
    "other fit": (("plain", "padded"), ("plain", "stretched")),
}
"""What a bar must notice, and cases of which a golden file holds also what would come of it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A case that transformers has computed.

    Attributes:
        items: token ids, and names of pictures.
        tested: the items after which `steps` say what was thought of the next token.
        wrong: the same, had something gone wrong, by what.
    """

    items: tuple[int | str, ...]
    tested: tuple[int, ...]
    steps: tuple[Step, ...]
    wrong: dict[str, tuple[Step, ...]]


def stored(checkpoint: str) -> dict[str, Run]:
    """All cases of a checkpoint."""
    runs = json.loads((FOLDER / f"{checkpoint}.json").read_text("utf-8"))["runs"]
    return {
        name: Run(
            tuple(run["items"]),
            tuple(run["tested"]),
            _steps(run["steps"]),
            {control: _steps(steps) for control, steps in run["wrong"].items()},
        )
        for name, run in runs.items()
    }


def _steps(steps: list[list[list[Any]]]) -> tuple[Step, ...]:
    return tuple(Step(tuple(ids), tuple(logprobs)) for ids, logprobs in steps)


PICTURES = {"disc": (1, 1), "bar": (1, 1), "cross": (1, 1), "wide": (2, 1)}
"""Width and height, in sides of the model's square: only a wide one has to be fitted."""


def pixels(name: str, side: int) -> npt.NDArray[np.uint8]:
    """A picture: something bright on grey noise, RGB."""
    columns, rows = (n * side for n in PICTURES[name])
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    bright = {
        "disc": x**2 + y**2 < 0.3,
        "bar": abs(x - 0.5) < 0.2,
        "cross": np.minimum(abs(x), abs(y)) < 0.15,
        "wide": (abs(x + 0.6) < 0.2) | (y > 0.7),
    }[name]
    colours = np.where(bright[..., None], (90, 60, 30), (-40, -40, -20))
    noise = 30 * seeded(0, name, (rows * columns, 3)).reshape(rows, columns, 3) * 3**0.5
    drawn: npt.NDArray[np.uint8] = np.clip(128 + colours + noise, 0, 255).astype(np.uint8)
    return drawn


def entropy(step: Step, vocabulary: int) -> float:
    """Of the next token, in nats; at most this, since those that aren't stored count as equal."""
    best = np.array(step.logprobs)
    rest = max(1.0 - float(np.exp(best).sum()), 1e-12)
    others = vocabulary - len(best)
    return float(-(np.exp(best) * best).sum() - rest * np.log(rest / others))
