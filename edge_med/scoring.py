"""What `MedGemma` thinks of texts that are given: their probability, and the best of several."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from edge_med.answers import Choice, Score, Tokens
from edge_med.config import Fit, Options, is_whole
from edge_med.engine.service.inbox import Cancellation
from edge_med.engine.service.thread import Count, Rate
from edge_med.errors import PromptError, UsageError
from edge_med.messages import Message, Prompt

MOST_CANDIDATES = 1000
"""As for `Options.logprobs`."""


class Scoring(ABC):
    """The part of `MedGemma` that writes nothing."""

    @abstractmethod
    def messages(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> tuple[Message, ...]:
        """A prompt as messages, with its images fitted to this model."""

    @abstractmethod
    def _call(self) -> AbstractContextManager[Cancellation]:
        """A call of several requests, which `cancel` ends."""

    @abstractmethod
    def _reply(self, request: Count | Rate, call: Cancellation | None = None) -> Tokens | Score:
        """The one reply to a request; its error is raised."""

    def score(
        self,
        prompt: Prompt,
        continuation: str,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        top: int = 0,
        fit: Fit = "pad",
        adapters: Mapping[str, float] | None = None,
    ) -> Score:
        """How probable it is that the model goes on with a text, exactly, token by token.

        The continuation is what the model would write: it stands where an answer begins, or, for a
        base model and for an assistant's last message, right after the text. It is tokenized by
        itself, so that a word after a text needs its space; control tokens that are spelled out in
        it are plain text, and the end of the turn isn't part of it.

        Args:
            prompt: a question, or a conversation in Hugging Face's form.
            continuation: a text of one token or more.
            image: one image: a path, bytes, an image of Pillow's, an array, or a `Picture`.
            images: several.
            system: a system text.
            top: how many of each position's most probable tokens are told besides.
            fit: how images come into the model's square.
            adapters: that are applied, by name, with their scales; of those that were loaded.

        Raises:
            PromptError: the prompt can't be composed, or the continuation is no text or empty.
            ImageError: an image can't be read, or the model can't see.
            ContextOverflowError: both don't fit the context.
            CancelledError: `cancel` was called.
            EngineError: llama.cpp failed.
        """
        if not (is_whole(top) and 0 <= top <= MOST_CANDIDATES):
            raise UsageError(f"top is {top!r}.", f"It can be anything from 0 to {MOST_CANDIDATES}.")
        options = Options(fit=fit, adapters=adapters or {})
        messages = self.messages(prompt, image=image, images=images, system=system, options=options)
        return self._score(messages, continuation, top, options)

    def choose(
        self,
        question: Prompt,
        options: Sequence[str],
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        by_length: bool = False,
        fit: Fit = "pad",
        adapters: Mapping[str, float] | None = None,
    ) -> Choice:
        """The option that the model would most probably answer; the question is read once.

        Each option is a continuation, as in `score`. The best has the highest sum of its tokens'
        log-probabilities, which is `acc` of lm-evaluation-harness; with `by_length`, the highest
        sum divided by its number of characters, which is its `acc_norm`, so that long options
        aren't put at a disadvantage (`process_results` in lm_eval/api/task.py).

        Of equal options it is the first. `Choice.probabilities` are e to the power of what is
        compared, the sum or its part for each character, divided by their total.

        Args:
            question: a question, or a conversation in Hugging Face's form.
            options: two or more texts.
            image: as in `score`.
            images: as in `score`.
            system: a system text.
            by_length: whether sums are divided by characters.
            fit: how images come into the model's square.
            adapters: that are applied, by name, with their scales; of those that were loaded.

        Raises:
            PromptError: there are fewer than two options, or one is no text or empty.
            EdgeMedError: whatever `score` raises.
        """
        given = _several(options)
        if len(given) < 2:
            raise PromptError("There is nothing to choose from.", "Give two options or more.")
        how = Options(fit=fit, adapters=adapters or {})
        messages = self.messages(question, image=image, images=images, system=system, options=how)
        with self._call() as call:
            scores = tuple(self._score(messages, option, 0, how, call) for option in given)
        return _choice(given, scores, by_length=by_length)

    def _score(
        self,
        messages: tuple[Message, ...],
        continuation: str,
        top: int,
        options: Options,
        call: Cancellation | None = None,
    ) -> Score:
        if not isinstance(continuation, str):
            raise PromptError("A continuation isn't a text.", "Give texts, such as ' yes'.")
        reply = self._reply(Rate(messages, continuation, top, options.adapters), call)
        assert isinstance(reply, Score)
        return reply


def _several(options: object) -> tuple[Any, ...]:
    return tuple(options) if isinstance(options, Iterable) and not isinstance(options, str) else ()


def _choice(options: tuple[str, ...], scores: tuple[Score, ...], *, by_length: bool) -> Choice:
    lengths = [len(option) if by_length else 1 for option in options]
    values = [score.logprob / length for score, length in zip(scores, lengths, strict=True)]
    best = max(values)
    weights = [math.exp(value - best) for value in values]
    total = math.fsum(weights)
    index = values.index(best)
    return Choice(index, options[index], tuple(weight / total for weight in weights), scores)
