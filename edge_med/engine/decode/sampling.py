"""Choose the next token, in Hugging Face's order: bias, temperature, top-k, top-p, min-p, draw.

The rules are those of transformers 5.23 (generation/logits_process.py: SequenceBias, Temperature,
TopK, TopP and MinP), computed in float64; tests/golden/sampling.json holds what it makes of logits.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from edge_med.config import Options
from edge_med.engine.llama.arrays import Floats, Ids, Wide
from edge_med.errors import EngineError, SchemaError, UsageError

_SEED_BITS = 32
"""Short enough to be typed again, and exact in JSON, whose numbers are doubles (RFC 8259, 6)."""

_BLOCK = 512
"""Logits a block: a vocabulary of 262,144 has as many blocks as a block has logits."""

_STRIDE = 16_384
"""Logits widened at once: 128 KB stay in a core's cache, where 2 MB cost three times as much."""

_HIGHEST = float(np.finfo(np.float32).max)

_TRIED = 64
"""Candidates that are tried in a grammar one by one; nearly always the first ones fit."""


class TokenRule(Protocol):
    """Says which tokens may come, as a `Form` does."""

    def fits(self, token: int) -> bool:
        """Whether a token may come."""

    def mask(self, logits: Floats) -> Floats:
        """A copy of the logits that has -inf for every token that may not come."""


class Sampler:
    """Chooses tokens by a call's options.

    Attributes:
        seed: the seed of the choice; None if it is greedy.
        chosen: number of tokens that were chosen under a grammar.
        rejected: candidates that didn't fit it.
        masked: choices for which all tokens had to be tried.
    """

    def __init__(self, options: Options, vocabulary: int) -> None:
        """Prepare a choice out of `vocabulary` tokens.

        Raises:
            UsageError: a bias, a stop token or the seed can't be used.
        """
        self._options = options
        _check_tokens("logit_bias", options.logit_bias, vocabulary)
        _check_tokens("stop_ids", options.stop_ids, vocabulary)
        self._biased_ids, self._biases = _checked_bias(options)
        self._all = np.arange(vocabulary)
        self.seed = _seed(options)
        self._random = _generator(self.seed)
        self.chosen = self.rejected = self.masked = 0

    def choose(self, logits: Floats, grammar: TokenRule | None = None) -> int:
        """The next token; `logits` [vocabulary] stay as they are.

        With a grammar it is chosen among the tokens that fit: greedily the most probable of them,
        else by their probabilities out of `distribution`, whose others count as 0.

        Raises:
            EngineError: the best logit isn't finite.
            SchemaError: no token fits the grammar.
        """
        if grammar is not None:
            return self._chosen_by(grammar, logits)
        if self._random is None:
            return _best_id(self._with_bias(logits))
        return next(self._drawn(*self.distribution(logits)))

    def _chosen_by(self, grammar: TokenRule, logits: Floats) -> int:
        self.chosen += 1
        for token in itertools.islice(self._candidates(logits), _TRIED):
            if grammar.fits(token):
                return token
            self.rejected += 1
        self.masked += 1
        return self._masked(grammar, logits)

    def _candidates(self, logits: Floats) -> Iterator[int]:
        """Tokens in the order in which they are tried: falling, or drawn without putting back.

        The first of them that fits is chosen as it would be among all that fit, since drawing again
        after a token was put aside is drawing from the others by their probabilities.
        """
        if self._random is None:
            biased = self._with_bias(logits)
            yield _best_id(biased)
            yield from (
                id for id in _falling(biased, _TRIED)[1:].tolist() if biased[id] > -math.inf
            )
        else:
            yield from self._drawn(*self.distribution(logits))

    def _drawn(self, ids: Ids, probabilities: Wide) -> Iterator[int]:
        """Tokens by their probabilities, one after another, until there are no more."""
        assert self._random is not None
        while (sums := probabilities.cumsum())[-1] > 0:
            at = int(sums.searchsorted(self._random.random() * sums[-1], side="right"))
            yield int(ids[at])
            probabilities[at] = 0

    def _masked(self, grammar: TokenRule, logits: Floats) -> int:
        """Choose among all tokens that fit; of those outside `distribution`, if none in it does."""
        masked = grammar.mask(self._with_bias(logits))
        if masked.max() == -math.inf:
            raise SchemaError(
                "The answer can't go on: no token fits its grammar.",
                "Change the grammar: the model's tokens can't write what it asks for.",
            )
        if self._random is None:
            return _best_id(masked)
        ids, probabilities = self.distribution(logits)
        fitting = masked[ids] > -math.inf
        if not fitting.any():
            ids, probabilities = self._distribution(masked)
            fitting = masked[ids] > -math.inf
        return next(self._drawn(ids[fitting], probabilities[fitting]))

    def distribution(self, logits: Floats) -> tuple[Ids, Wide]:
        """The tokens that may come, and their probabilities; for a temperature above 0.

        Raises:
            EngineError: the best logit isn't finite.
        """
        return self._distribution(self._with_bias(logits))

    def _distribution(self, biased: Floats) -> tuple[Ids, Wide]:
        options = self._options
        best = biased[_best_id(biased)]
        ids, top = self._all, biased
        if options.top_k:  # before the temperature, which keeps the order
            ids = _top(biased, options.top_k)
            top = biased[ids]
        weights = np.subtract(top, best, dtype=np.float64)
        weights /= options.temperature
        np.exp(weights, out=weights)  # the best token's is 1
        if options.top_p < 1 or options.min_p > 0:
            kept = _kept(weights, options.top_p, options.min_p)
            ids, weights = ids[kept], weights[kept]
        weights /= weights.sum()
        return ids, weights

    def _with_bias(self, logits: Floats) -> Floats:
        """The same array where there is no bias: copying a megabyte costs more than a choice."""
        if not self._biases.size:
            return logits
        biased = logits.copy()
        biased[self._biased_ids] += self._biases
        return biased


def best(logits: Floats, count: int) -> tuple[list[int], list[float]]:
    """The most probable tokens as the model has it, before bias and sampling rules.

    Args:
        logits: [vocabulary].
        count: number of tokens; all, if there are no more.

    Returns:
        Ids, the most probable first and equal ones by id, and natural log-probabilities.

    Raises:
        EngineError: the best logit isn't finite.
    """
    total = _log_total(logits)
    ids = _falling(logits, count)
    return ids.tolist(), np.subtract(logits[ids], total, dtype=np.float64).tolist()


def logprob(logits: Floats, token: int) -> float:
    """A token's natural log-probability as the model has it.

    Raises:
        EngineError: the best logit isn't finite.
    """
    return float(logits[token]) - _log_total(logits)


def _check_tokens(name: str, tokens: Iterable[int], vocabulary: int) -> None:
    if other := [token for token in tokens if not 0 <= token < vocabulary]:
        raise UsageError(
            f"{name} names token {other[0]}.", f"The model's tokens are 0 to {vocabulary - 1}."
        )


def _checked_bias(options: Options) -> tuple[Ids, Floats]:
    bias = options.logit_bias
    if other := [token for token, value in bias.items() if not _is_bias(value)]:
        raise UsageError(
            f"logit_bias for token {other[0]} is {bias[other[0]]}.", "Use a number, or -inf."
        )
    return np.array([*bias], dtype=np.intp), np.array([*bias.values()], dtype=np.float32)


def _is_bias(value: float) -> bool:
    return value == -math.inf or abs(value) <= _HIGHEST


def _seed(options: Options) -> int | None:
    if options.temperature == 0:
        return None
    if options.seed is None:
        return secrets.randbits(_SEED_BITS)
    if options.seed < 0:
        raise UsageError(f"seed is {options.seed}.", "Use a whole number that isn't negative.")
    return options.seed


def _generator(seed: int | None) -> np.random.Generator | None:
    """Named, since numpy may change what default_rng means."""
    return None if seed is None else np.random.Generator(np.random.PCG64(seed))


def _best_id(logits: Floats) -> int:
    """The most probable token; argmax calls a NaN the highest number, so none goes unseen."""
    token = int(logits.argmax())
    if not math.isfinite(logits[token]):
        raise EngineError(
            f"No token can be chosen: the best logit is {logits[token]}.",
            "Check the model with edge-med verify, and whether logit_bias bans every token.",
        )
    return token


def _log_total(logits: Floats) -> float:
    """The logarithm of the sum of all exponentials."""
    highest = float(logits[_best_id(logits)])
    sums = [
        float(np.exp(np.subtract(logits[at : at + _STRIDE], highest, dtype=np.float64)).sum())
        for at in range(0, logits.size, _STRIDE)
    ]
    return highest + math.log(math.fsum(sums))


def _falling(logits: Floats, count: int) -> Ids:
    """Ids of the highest logits, the highest first, and equal ones by id."""
    ids = _top(logits, count)
    falling: Ids = ids[np.argsort(-logits[ids], kind="stable")]
    return falling[:count]


def _top(logits: Floats, count: int) -> Ids:
    """Ids of the highest logits, rising, with all that equal the last of them."""
    if count >= logits.size:
        return np.arange(logits.size)
    ids = np.flatnonzero(logits >= _surely_below_top(logits, count))
    values = logits[ids]
    kept: Ids = ids[values >= np.partition(values, -count)[-count]]
    return kept


def _surely_below_top(logits: Floats, count: int) -> float:
    """A bound that at least `count` logits reach: as many blocks have a highest one that does.

    It leaves some hundred logits of a vocabulary to be sorted out.
    """
    highest = np.maximum.reduceat(logits, np.arange(0, logits.size, _BLOCK))
    if count > highest.size:
        return -math.inf
    return float(np.partition(highest, -count)[-count])


def _kept(weights: Wide, top_p: float, min_p: float) -> Ids:
    """Positions that top-p and min-p leave, at least one; the best weight is 1.

    Of equal weights at the edge the first stay; transformers leaves it to torch.sort, which isn't
    stable. What weighs less than the average of the share outside top-p could never fill that
    share, so there is no need to sort it.
    """
    total = weights.sum()
    heavy = np.flatnonzero(weights >= max(min_p, (1 - top_p) * total / weights.size))
    if top_p == 1:
        return heavy
    falling: Ids = heavy[np.argsort(-weights[heavy], kind="stable")]
    count = 1 + int(np.searchsorted(weights[falling].cumsum(), top_p * total))
    return falling[:count]
