"""Where samples come from: torch's own generator, as in transformers, so that it can be seeded."""

from __future__ import annotations

import random

import numpy as np

from edge_med.compat.arguments import say
from edge_med.compat.tensors import torch
from edge_med.config import is_whole
from edge_med.errors import UsageError

_SEEDS = 1 << 32
"""As many as the engine draws from itself: short enough to be typed again."""


def set_seed(seed: int, deterministic: bool = False) -> None:  # noqa: FBT001, FBT002 - as transformers has it
    """Let what follows be drawn as it was after the same seed: here, by numpy and by `random`.

    Raises:
        UsageError: the seed is no whole number from 0 to 2^32 - 1, which is what numpy takes.
    """
    if not is_whole(seed) or not 0 <= seed < _SEEDS:
        raise UsageError(f"The seed is {seed!r}.", f"It is a whole number from 0 to {_SEEDS - 1}.")
    if deterministic:
        say(["deterministic"], "no algorithm is chosen by it")
    random.seed(int(seed))
    np.random.seed(int(seed))  # the generator that other people's code draws from
    torch().manual_seed(int(seed))


def drawn() -> int:
    """The seed of one answer: the next number of the generator that `torch.manual_seed` sets."""
    return int(torch().randint(0, _SEEDS, (1,)))
