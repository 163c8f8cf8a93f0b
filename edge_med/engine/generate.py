"""Write an answer: read the prompt, then choose token after token until it ends for a reason."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_med import __version__
from edge_med._platform import LLAMA_CPP_PYTHON
from edge_med.answers import (
    Answer,
    Candidate,
    End,
    FinishReason,
    Notice,
    Provenance,
    Timings,
    Token,
    Usage,
)
from edge_med.config import Options
from edge_med.engine.context import Stop
from edge_med.engine.core import Emit, Engine, Reading
from edge_med.engine.loops import LoopDetector
from edge_med.engine.prompt import compose
from edge_med.engine.sampling import Sampler, best, logprob
from edge_med.engine.structure import Structure
from edge_med.engine.writer import TextWriter
from edge_med.errors import CancelledError
from edge_med.imaging import Picture
from edge_med.messages import Message

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of the files that an engine has opened; it goes into every answer."""

    model_sha256: str | None
    projector_sha256: str | None
    quant: str
    image_tokens: int


def answer(
    engine: Engine,
    source: Source,
    messages: Sequence[Message],
    options: Options,
    emit: Emit,
    stop: Stop,
) -> None:
    """Answer a conversation: emits progress and pieces as they come, then one `End`.

    Args:
        engine: used by nobody else meanwhile.
        source: of its files.
        messages: the whole conversation; what the engine has read already isn't read again.
        options: how the answer is written.
        emit: receives the events.
        stop: asked before each token, and while the prompt is read; true ends the answer.

    Raises:
        PromptError: the messages make no conversation.
        ContextOverflowError: the prompt doesn't fit the context.
        SchemaError: the schema or grammar can't be used, or the answer doesn't fit it.
        EngineError: llama.cpp failed.
    """
    began = time.perf_counter()
    structure = Structure(options)
    items = compose(engine.model, structure.shown(messages), source.image_tokens)
    pictures = {picture.sha256: picture for m in messages for picture in m.pictures}
    writing = _Writing(engine, options, structure, emit, began)
    try:
        writing.reading = engine.read(items, pictures, stop, emit)
        reason = writing.write(stop)
    except CancelledError:
        reason = "cancelled"
    try:
        emit(End(writing.finish(reason, _provenance(source, pictures, options, writing.seed))))
    finally:
        engine.keep(logits=False)


def _provenance(
    source: Source, pictures: Mapping[str, Picture], options: Options, seed: int | None
) -> Provenance:
    fits = {picture.fit for picture in pictures.values()}
    return Provenance(
        model_sha256=source.model_sha256,
        projector_sha256=source.projector_sha256,
        quant=source.quant,
        adapters=(),
        fit=fits.pop() if len(fits) == 1 else None,
        device="cpu",
        fallback=None,
        options=options,
        seed=seed,
        versions={"edge_med": __version__, "llama_cpp": LLAMA_CPP_PYTHON},
    )


class _Writing:
    """An answer while it is written."""

    def __init__(
        self, engine: Engine, options: Options, structure: Structure, emit: Emit, began: float
    ) -> None:
        self.reading = Reading(0, 0)
        self._engine = engine
        self._vocabulary = engine.model.vocabulary
        self._options = options
        self._emit = emit
        self._began = began
        self._first = began
        self._count = 0
        self._sampler = Sampler(options, self._vocabulary.size)
        self._structure = structure
        self._grammar = structure.grammar(self._vocabulary)
        self._writer = TextWriter(options.stop)
        self._loops = LoopDetector(self._vocabulary.unused if options.stop_loops else frozenset())
        self._tokens: list[Token] = []

    @property
    def seed(self) -> int | None:
        """Of the choice of tokens."""
        return self._sampler.seed

    def write(self, stop: Stop) -> FinishReason:
        """Choose tokens until there is a reason to end."""
        while not stop():
            if self._grammar is not None and self._grammar.closed:
                return "stop"
            token = self._choose()
            if self._ends(token):
                return "stop"
            reason = self._take(token)
            if self._count == 1:  # the first token is out: nobody waits for this copy
                self._engine.keep(logits=True)
            if reason is not None:
                return reason
            self._engine.add(token)
        return "cancelled"

    def finish(self, reason: FinishReason, provenance: Provenance) -> Answer:
        """Release what was held back, and sum everything up."""
        if piece := self._writer.finish():
            self._emit(piece)
        reading, decode = self.reading, time.perf_counter() - self._first
        notices = (_NOTICES[reason],) if reason in _NOTICES else ()
        for notice in notices:
            self._emit(notice)
        return Answer(
            text=self._writer.text,
            finish_reason=reason,
            usage=Usage(reading.prompt, reading.cached, reading.image, self._count),
            timings=Timings(
                load=reading.load,
                encode=reading.encode,
                read=reading.read,
                first_token=self._first - self._began,
                decode=decode if self._count else 0.0,
                tokens_per_second=self._speed(decode),
            ),
            logprobs=tuple(self._tokens) if self._options.logprobs else None,
            notices=notices,
            provenance=provenance,
            parsed=self._structure.parsed(self._writer.text, reason),
        )

    def _choose(self) -> int:
        logits = self._engine.logits()
        if self._grammar is None:
            token = self._sampler.choose(logits)
        else:
            token = self._sampler.choose(logits, self._grammar)
            self._grammar.accept(token)
        if self._count == 0:
            self._first = time.perf_counter()
        if self._options.logprobs and not self._ends(token):
            self._tokens.append(self._told(token, logits))
        return token

    def _ends(self, token: int) -> bool:
        return token in self._options.stop_ids or self._vocabulary.ends(token)

    def _take(self, token: int) -> FinishReason | None:
        """Write a token down; returns why the answer ends with it, if it does."""
        self._count += 1
        if piece := self._writer.add(self._vocabulary.piece(token), token):
            self._emit(piece)
        if self._writer.stopped is not None:
            return "stop_string"
        if self._loops.add(token) and self._options.stop_loops:
            return "loop"
        full = self._count == self._options.max_new_tokens or not self._engine.room
        return "length" if full else None

    def _told(self, token: int, logits: Floats) -> Token:
        ids, values = best(logits, self._options.logprobs)
        top = tuple(
            Candidate(int(one), self._text(int(one)), float(value))
            for one, value in zip(ids, values, strict=True)
        )
        return Token(token, self._text(token), logprob(logits, token), top)

    def _text(self, token: int) -> str:
        return self._vocabulary.piece(token).decode("utf-8", "replace")

    def _speed(self, decode: float) -> float:
        """The first token comes out of reading the prompt, so that it isn't counted."""
        return (self._count - 1) / decode if self._count > 1 and decode > 0 else 0.0


_NOTICES: dict[str, Notice] = {
    "loop": Notice("loop", "The answer repeated itself and was ended."),
}
