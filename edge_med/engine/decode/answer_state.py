"""An answer while it is written: token after token, until there is a reason to end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from edge_med.answers import (
    Answer,
    FinishReason,
    Notice,
    Piece,
    Provenance,
    Timings,
    Token,
    Usage,
)
from edge_med.config import LONGEST_ANSWER, Options
from edge_med.engine.decode.detokenizer import StreamingDetokenizer
from edge_med.engine.decode.logprobs import token_logprobs
from edge_med.engine.decode.notices import CONTEXT_FULL, EMPTY, LOOP, thought_ended
from edge_med.engine.decode.repetition import LoopDetector
from edge_med.engine.decode.sampling import Sampler, TokenRule
from edge_med.engine.decode.thinking import LABEL, Thought
from edge_med.engine.grammar.form import AnswerForm
from edge_med.engine.grammar.response_format import ResponseFormat
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.prefill import Emit, PrefillStats


class AnswerState:
    """An answer while it is written.

    Attributes:
        stats: figures of its prefill.
    """

    def __init__(
        self,
        vocabulary: LlamaVocabulary,
        context: int,
        options: Options,
        response_format: ResponseFormat,
        emit: Emit,
        began: float,
    ) -> None:
        """An answer without a word.

        Args:
            vocabulary: the model's vocabulary.
            context: tokens that prompt and answer may have together.
            options: the options of the answer.
            response_format: the form that it must have.
            emit: takes its pieces and notices.
            began: when it was asked for, by `time.perf_counter`.
        """
        self.stats = PrefillStats(0, 0)
        self._vocabulary = vocabulary
        self._options = options
        self._emit = emit
        self._began = self._first = began
        self._count = 0
        self._answered = 0
        self._sampler = Sampler(options, vocabulary.size)
        self._format = response_format
        self._form = response_format.begun(vocabulary)
        self._thought = Thought(vocabulary, options, context)
        self._text = StreamingDetokenizer(options.stop)
        self._thinking = StreamingDetokenizer(kind="thought", label=LABEL)
        self._loops = self._new_loops()
        self._tokens: list[Token] = []
        self._notices: list[Notice] = []
        self._reason: FinishReason | None = None
        self._logits: Floats = np.empty(0, np.float32)
        self._left = context

    @property
    def text(self) -> str:
        """Of the answer, as far as it was released."""
        return self._text.text

    @property
    def seed(self) -> int | None:
        """Of the choice of tokens."""
        return self._sampler.seed

    @property
    def reason(self) -> FinishReason | None:
        """Why it has ended; None as long as it goes on."""
        return self._reason

    def cancel(self) -> None:
        """End it with what there is."""
        self._reason = "cancelled"

    def next(self, logits: Floats, tokens_left: int) -> int | None:
        """Choose the next token and write it down.

        Args:
            logits: [vocabulary], of its position.
            tokens_left: number of tokens that the context still takes.

        Returns:
            What is to be read for the next one; None if the answer has ended.
        """
        self._logits, self._left = logits, tokens_left
        if self._complete:
            self._reason = "stop"
            return None
        token = self._next()
        self._reason = "stop" if self._ends(token) else self._take(token)
        return None if self._reason else token

    @property
    def count(self) -> int:
        """Tokens that were written, thoughts and marks included."""
        return self._count

    def finish(self, provenance: Provenance) -> Answer:
        """Emit the text that waited, and sum everything up; the answer's value isn't read."""
        reason = self._reason or "cancelled"
        for writer in (self._thinking, self._text):
            self._emit_piece(writer.finish())
        if self._thought.forced and reason in ("stop", "length") and not self._text.text:
            reason = "thought_budget"
        stats, decode = self.stats, time.perf_counter() - self._first
        self.say(self._reasons(reason))
        usage = Usage(stats.prompt, stats.cached, stats.image, self._thought.count, self._answered)
        return Answer(
            text=self._text.text,
            thought=self._thinking.text if self._thought.inside or self._thought.over else None,
            finish_reason=reason,
            usage=usage,
            timings=Timings(
                load=stats.load,
                encode=stats.encode,
                read=stats.read,
                first_token=self._first - self._began,
                decode=decode if self._count else 0.0,
                tokens_per_second=self._speed(decode),
            ),
            logprobs=tuple(self._tokens) if self._options.logprobs else None,
            notices=tuple(self._notices),
            provenance=provenance,
        )

    def parsed(self, answer: Answer) -> Any:
        """The value of the whole answer; None if no schema asks for one.

        Raises:
            SchemaError: the answer doesn't fit its form.
        """
        return self._format.parsed(answer.text, answer.finish_reason, self._form)

    def say(self, notices: Iterable[Notice]) -> None:
        """Tell the user, at once and in the answer."""
        for notice in notices:
            self._notices.append(notice)
            self._emit(notice)

    def _next(self) -> int:
        """The next token: chosen, or put in the model's place where a thought has to end."""
        left = LONGEST_ANSWER - self._count - 1  # one is for the mark that closes the thought
        if self._thought.must_close(min(self._left, left)):
            return self._thought.end()
        token = self._choose()
        if self._thought.inside and self._vocabulary.ends(token):
            return self._thought.end()
        return token

    @property
    def _complete(self) -> bool:
        """Whether the form that was asked for leaves nothing to be written."""
        return self._form is not None and self._form.closed and not self._thought.inside

    def _choose(self) -> int:
        logits = self._logits
        rule = self._rule()
        token = self._sampler.choose(logits, rule)
        while self._refuses(token):
            logits = logits.copy()
            logits[token] = -np.inf
            token = self._sampler.choose(logits, rule)
        if self._count == 0:
            self._first = time.perf_counter()
        return token

    def _rule(self) -> TokenRule | None:
        """What the next token must fit: the form, before which a thought may be opened."""
        if self._form is None or self._thought.inside:
            return None
        return self._form if self._answered else _FormOrThought(self._form, self._thought)

    def _refuses(self, token: int) -> bool:
        """A thought must be followed by an answer, and marks of thoughts have their places."""
        unanswered = self._thought.over and not self._text.begun
        return self._thought.refuses(token) or (unanswered and self._ends(token))

    def _ends(self, token: int) -> bool:
        """Whether a token ends the answer; one that is wanted to do so doesn't end a thought."""
        if self._vocabulary.ends(token):
            return True
        return token in self._options.stop_ids and not self._thought.inside

    def _take(self, token: int) -> FinishReason | None:
        """Write a token down; returns why the answer ends with it, if it does."""
        self._count += 1
        inside = self._thought.inside
        self._thought.take(token)
        if self._thought.marks(token):
            self._mark(token)
        elif inside:
            self._add_to(self._thinking, token)
            if self._is_looping(token):
                self._thought.end_loop()
        else:
            self._answered += 1
            self._tell(token)
            if self._form is not None:
                self._form.accept(token)
            self._add_to(self._text, token)
            if self._text.stopped is not None:
                return "stop_string"
            if self._complete:
                return "stop"
            if self._is_looping(token):
                return "loop"
        return "length" if self._full() else None

    def _mark(self, token: int) -> None:
        """A thought begins or ends."""
        self._emit_piece(self._thinking.add(b"", token))
        if self._thought.over:
            self._emit_piece(self._thinking.finish())
            if self._form is None and not self._text.begun:
                self._text.strip()
            self._loops = self._new_loops()

    def _add_to(self, writer: StreamingDetokenizer, token: int) -> None:
        self._emit_piece(writer.add(self._vocabulary.piece(token), token))

    def _emit_piece(self, piece: Piece | None) -> None:
        if piece is not None:
            self._emit(piece)

    def _is_looping(self, token: int) -> bool:
        return self._loops.add(token) and self._options.stop_loops

    def _full(self) -> bool:
        """Whether nothing more may be written, or can be."""
        most = self._answered == self._options.max_new_tokens or self._count >= LONGEST_ANSWER
        return most or not self._left

    def _new_loops(self) -> LoopDetector:
        return LoopDetector(self._vocabulary.unused if self._options.stop_loops else frozenset())

    def _reasons(self, reason: FinishReason) -> Iterator[Notice]:
        if self._thought.forced:
            yield thought_ended(self._thought.count)
        if reason == "loop":
            yield LOOP
        if reason == "stop" and not self._text.text:
            yield EMPTY
        if reason == "length" and not self._left:
            yield CONTEXT_FULL

    def _tell(self, token: int) -> None:
        """Note a token's log-probability, if that is wanted."""
        if count := self._options.logprobs:
            self._tokens.append(token_logprobs(self._vocabulary, token, self._logits, count))

    def _speed(self, decode: float) -> float:
        """The first token comes out of reading the prompt, so that it isn't counted."""
        return (self._count - 1) / decode if self._count > 1 and decode > 0 else 0.0


class _FormOrThought:
    """A form before whose text a thought may be opened."""

    def __init__(self, form: AnswerForm, thought: Thought) -> None:
        self._form = form
        self._thought = thought

    def fits(self, token: int) -> bool:
        return self._thought.opens(token) or self._form.fits(token)

    def mask(self, logits: Floats) -> Floats:
        return self._form.mask(logits)
