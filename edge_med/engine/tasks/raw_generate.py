"""Continue a prompt that is given by its ids: nothing but token after token, as transformers does.

For callers that have their own prompt and make their own text of what comes: no thoughts, forms,
stop texts or notices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edge_med.config import Options
from edge_med.engine.cache.ledger import Item
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.prefill import PrefillStats
from edge_med.engine.tasks.task import Ending, Step, TaskPrompt
from edge_med.errors import CancelledError
from edge_med.imaging import Picture


@dataclass(frozen=True, slots=True)
class RawToken:
    """The next token; one that ends the text comes too."""

    id: int


@dataclass(frozen=True, slots=True)
class RawEnd:
    """No token follows."""

    reason: Ending


@dataclass(frozen=True, slots=True)
class ContinueRequest:
    """Continue a prompt: replies are `RawToken`, up to `RawEnd`.

    Attributes:
        items: the prompt.
        pictures: the pictures of its images, by their keys.
        options: the options of sampling and length; `stop_ids` end it, and nothing else does if
            there are any.
    """

    items: tuple[Item, ...]
    pictures: Mapping[str, Picture]
    options: Options


class RawGenerate:
    """The task of a `ContinueRequest`: emits every token as it is chosen, then why it ended."""

    prompt_checkpoint, end_checkpoint = False, True

    def __init__(
        self,
        vocabulary: LlamaVocabulary,
        asked: ContinueRequest,
        emit: Callable[[RawToken | RawEnd], None],
    ) -> None:
        """A continuation that hasn't begun; `emit` takes its tokens and its end."""
        options = asked.options
        self.prompt = TaskPrompt(asked.items, asked.pictures, options.adapters)
        self._most, self._emit = options.max_new_tokens, emit
        self._ends = options.stop_ids.__contains__ if options.stop_ids else vocabulary.ends
        self._sampler = Sampler(options, vocabulary.size)
        self._count = 0
        self._ending: Ending = "length"

    def prefilled(self) -> None:
        """Nothing comes with it."""

    def step(self, rows: Iterator[Floats], tokens_left: int) -> Step:
        """Choose the next token."""
        token = self._sampler.choose(next(rows))
        self._emit(RawToken(token))
        self._count += 1
        if self._ends(token):
            self._ending = "stop"
            return Step()
        first = self._count == 1  # so that the same prompt can be continued again without reading
        if not tokens_left or self._count == self._most:
            return Step(checkpoint=first)
        return Step((token,), checkpoint=first)

    def cancelled(self, error: CancelledError) -> None:
        """It ends with the tokens that there are."""
        self._ending = "cancelled"

    def finish(self, stats: PrefillStats) -> None:
        """Tell why it ended."""
        self._emit(RawEnd(self._ending))
