"""How probable a continuation is after a prompt: exact log-probabilities, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge_med.answers import Score, Token, Usage
from edge_med.engine.cache.ledger import Item, length
from edge_med.engine.decode.logprobs import token_logprobs
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.model import Model
from edge_med.engine.prefill import PrefillStats
from edge_med.engine.prompt import IMAGE_TOKENS, compose, pictures_of
from edge_med.engine.tasks.task import Prompt, Step
from edge_med.errors import CancelledError, PromptError, too_long
from edge_med.question import Question


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Score a continuation of a conversation: the reply is a `Score`.

    Attributes:
        question: the prompt; of its options the adapters count.
        continuation: text; control tokens that are spelled out in it stay plain text.
        top: how many of each position's most probable tokens the score has as well.
    """

    question: Question
    continuation: str
    top: int = 0


class ScoreTask:
    """Reads a prompt and a continuation, and notes what the model thought of each of its tokens.

    The continuation is tokenized by itself, as the model would write it: what it begins with never
    merges with the end of the prompt.
    """

    prompt_checkpoint, end_checkpoint = True, False

    def __init__(
        self,
        model: Model,
        asked: ScoreRequest,
        emit: Callable[[Score], None],
        *,
        context: int,
        image_tokens: int = IMAGE_TOKENS,
    ) -> None:
        """Compose the prompt.

        Args:
            model: the text model.
            asked: what is scored.
            emit: takes the score.
            context: tokens that prompt and continuation may have together.
            image_tokens: positions that an image takes.

        Raises:
            PromptError: the messages make no conversation, or the continuation is empty.
            ContextOverflowError: prompt and continuation don't fit the context.
        """
        self._vocabulary, self._top, self._emit = model.vocabulary, asked.top, emit
        self._ids = model.vocabulary.tokenize(asked.continuation)
        messages = asked.question.messages
        items = compose(model, messages, image_tokens)
        _check(items, self._ids, context)
        pictures = pictures_of(messages, items)
        self.prompt = Prompt(items, pictures, asked.question.options.adapters)
        self._tokens: list[Token] = []

    def prefilled(self) -> None:
        """Nothing is said of it."""

    def step(self, rows: Iterator[Floats], tokens_left: int) -> Step:
        """Note the tokens that the rows are of; the first row asks for all others at once."""
        noted = len(self._tokens)
        for token, row in zip(self._ids[noted:], rows, strict=False):
            self._tokens.append(token_logprobs(self._vocabulary, token, row, self._top))
        return Step() if noted else Step(self._ids[:-1])

    def cancelled(self, error: CancelledError) -> None:
        """Half a score is none.

        Raises:
            CancelledError: always.
        """
        raise error

    def finish(self, stats: PrefillStats) -> None:
        """Tell the score."""
        usage = Usage(
            prompt=stats.prompt,
            cached=stats.cached,
            image=stats.image,
            thought=0,
            answer=len(self._ids),
        )
        self._emit(Score(tuple(self._tokens), usage))


def _check(items: Sequence[Item], ids: Sequence[int], context: int) -> None:
    if not ids:
        raise PromptError("The continuation is empty.", "Give a text of at least one token.")
    prompt, more = length(items), len(ids)
    if prompt + more > context:
        what = f"The prompt has {prompt} tokens and the continuation {more}"
        raise too_long(what, prompt + more, context, "Shorten them.")
