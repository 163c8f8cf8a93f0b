"""How probable a continuation is after a prompt: exact log-probabilities, token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edge_med.answers import Score, Token, Usage
from edge_med.engine.cache.ledger import Item, length
from edge_med.engine.decode.logprobs import token_logprobs
from edge_med.engine.engine import Engine
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.prefill import PrefillStats
from edge_med.engine.prompt import compose, pictures_of
from edge_med.engine.tasks.answer_notices import AnswerNotices, ModelIdentity
from edge_med.engine.tasks.task import Step, TaskPrompt
from edge_med.errors import CancelledError, PromptError, too_long
from edge_med.question import Question


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Score a continuation of a conversation: the reply is a `Score`.

    Attributes:
        question: the prompt; of its options the adapters count.
        continuation: text; control tokens that are spelled out in it stay plain text.
        top: number of each position's most probable tokens that the score has as well.
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
        engine: Engine,
        identity: ModelIdentity,
        asked: ScoreRequest,
        emit: Callable[[Score], None],
    ) -> None:
        """Compose the prompt.

        Args:
            engine: the source of facts; it remembers which notices were given.
            identity: what is known of its files.
            asked: what is scored.
            emit: takes the score.

        Raises:
            PromptError: the messages make no conversation, or the continuation is empty.
            ContextOverflowError: prompt and continuation don't fit the context.
        """
        model, question = engine.model, asked.question
        self._vocabulary, self._top, self._emit = model.vocabulary, asked.top, emit
        self._ids = model.vocabulary.tokenize(asked.continuation)
        items = compose(model, question.messages, identity.image_tokens)
        _check(items, self._ids, engine.options.context)
        pictures = pictures_of(question.messages, items)
        self.prompt = TaskPrompt(items, pictures, question.options.adapters)
        self._tokens: list[Token] = []
        self._notes = AnswerNotices(engine, identity, question, self.prompt)
        self._notices = [*self._notes.before_prefill()]

    def prefilled(self) -> None:
        """Take the notices that came up during prefill."""
        self._notices += self._notes.new()

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
        about = tuple(self._notices), self._notes.provenance()
        self._notes.mark_given()
        self._emit(Score(tuple(self._tokens), usage, *about))


def _check(items: Sequence[Item], ids: Sequence[int], context: int) -> None:
    if not ids:
        raise PromptError("The continuation is empty.", "Give a text of at least one token.")
    prompt, more = length(items), len(ids)
    if prompt + more > context:
        what = f"The prompt has {prompt} tokens and the continuation {more}"
        raise too_long(what, prompt + more, context, "Shorten them.")
