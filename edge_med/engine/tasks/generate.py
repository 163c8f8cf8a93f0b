"""Write an answer: from a conversation to the last of its events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edge_med.answers import End
from edge_med.engine.decode.answer_state import AnswerState
from edge_med.engine.decode.thinking import instructed
from edge_med.engine.engine import Engine
from edge_med.engine.grammar.response_format import ResponseFormat
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.prefill import Emit, PrefillStats
from edge_med.engine.prompt import compose, pictures_of
from edge_med.engine.tasks.answer_notices import AnswerNotices, ModelIdentity
from edge_med.engine.tasks.task import Step, TaskPrompt
from edge_med.errors import CancelledError, SchemaError
from edge_med.question import Question


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Answer a question: replies are events, up to `End`.

    `asked` is when, by the clock that all processes of a machine share.
    """

    question: Question
    asked: float = field(default_factory=time.monotonic, compare=False)


class GenerateTask:
    """The task of a `GenerateRequest`: emits progress and pieces as they come, then one `End`."""

    prompt_checkpoint, end_checkpoint = False, True

    def __init__(
        self, engine: Engine, identity: ModelIdentity, asked: GenerateRequest, emit: Emit
    ) -> None:
        """Compose the prompt; what the engine has read already isn't read again.

        Args:
            engine: the source of facts; it remembers which notices were given.
            identity: what is known of its files.
            asked: the question.
            emit: takes the events.

        Raises:
            UsageError: there is no such adapter.
            PromptError: the messages make no conversation.
            SchemaError: the schema or grammar can't be used.
        """
        began, question = time.perf_counter(), asked.question
        self._wait = max(0.0, time.monotonic() - asked.asked)
        options = question.options
        engine.adapters.applied(options.adapters)  # a name that is unknown is refused first
        form = ResponseFormat(options)
        messages = form.shown(instructed(question.messages, options))
        items = compose(engine.model, messages, identity.image_tokens)
        pictures = pictures_of(question.messages, items)
        self.prompt, self._emit = TaskPrompt(items, pictures, options.adapters), emit
        context, vocabulary = engine.options.context, engine.model.vocabulary
        self._state = AnswerState(vocabulary, context, options, form, emit, began)
        self._notes = AnswerNotices(engine, identity, question, self.prompt)
        self._state.say(form.notices)
        self._state.say(self._notes.before_prefill())

    def prefilled(self) -> None:
        """Emit the notices that came up during prefill."""
        self._state.say(self._notes.new())

    def step(self, rows: Iterator[Floats], tokens_left: int) -> Step:
        """Choose and write the next token.

        Raises:
            SchemaError: the grammar can't go on; the error has the answer so far.
        """
        before = self._state.count
        try:
            token = self._state.next(next(rows), tokens_left)
        except SchemaError as error:
            raise SchemaError(error.message, error.hint, self._state.text) from None
        # The first token is out, so that nobody waits for the copy.
        checkpoint = before == 0 and self._state.count == 1
        return Step(() if token is None else (token,), checkpoint)

    def cancelled(self, error: CancelledError) -> None:
        """The answer ends with what there is."""
        self._state.cancel()

    def finish(self, stats: PrefillStats) -> None:
        """Emit the end.

        Raises:
            SchemaError: the answer doesn't fit its form.
        """
        self._state.stats = stats
        answer = self._state.finish(self._notes.provenance(self._state.seed))
        answer = replace(answer, timings=replace(answer.timings, wait=self._wait))
        self._notes.mark_given()
        try:
            parsed = self._state.parsed(answer)
        except SchemaError as error:
            raise SchemaError(error.message, error.hint, error.text, answer) from None
        self._emit(End(replace(answer, parsed=parsed)))
