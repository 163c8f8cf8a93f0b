"""Write an answer: from a conversation to the last of its events."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from edge_med import __version__
from edge_med.answers import AppliedAdapter, End, Provenance
from edge_med.config import Options
from edge_med.engine.cache.ledger import length
from edge_med.engine.decode.answer_state import AnswerState
from edge_med.engine.decode.notices import ALWAYS, beyond, first_time, unseen
from edge_med.engine.decode.thinking import instructed
from edge_med.engine.engine import Engine
from edge_med.engine.grammar.response_format import ResponseFormat
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import verdict
from edge_med.engine.prefill import Emit, PrefillStats
from edge_med.engine.prompt import compose, pictures_of
from edge_med.engine.tasks.task import Prompt, Step
from edge_med.errors import CancelledError, SchemaError
from edge_med.imaging import remarks
from edge_med.native import LLAMA_CPP_PYTHON
from edge_med.question import Question


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What is known of the files that an engine has opened; it goes into every answer.

    `adapters` has the hashes of their files by their names; `toy` says that it calls itself one;
    `model` is the name of the text model's file.
    """

    model_sha256: str | None
    projector_sha256: str | None
    quant: str
    image_tokens: int
    adapters: Mapping[str, str] = field(default_factory=dict)
    toy: bool = False
    model: str = ""


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
            engine: asked for facts; which notices were given is noted there.
            identity: of its files.
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
        self.prompt = Prompt(items, pictures, options.adapters)
        self._engine, self._identity, self._question, self._emit = engine, identity, question, emit
        context, vocabulary = engine.options.context, engine.model.vocabulary
        self._state = AnswerState(vocabulary, context, options, form, emit, began)
        self._said: set[str] = set()
        self._state.say(form.notices)
        shown = [picture for message in question.messages for picture in message.pictures]
        self._state.say(remarks.among(shown))
        self._say()
        self._state.say(beyond(length(items), engine.model.trained_context))
        if engine.images.sees:
            self._state.say(unseen(question.messages))

    def prefilled(self) -> None:
        """Say what has shown meanwhile: where the projector went shows with the first image."""
        self._say()

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
        answer = self._state.finish(self._provenance())
        answer = replace(answer, timings=replace(answer.timings, wait=self._wait))
        self._engine.notices_given.update(self._said)
        try:
            parsed = self._state.parsed(answer)
        except SchemaError as error:
            raise SchemaError(error.message, error.hint, error.text, answer) from None
        self._emit(End(replace(answer, parsed=parsed)))

    def _say(self) -> None:
        before = self._engine.notices_given - ALWAYS
        found = list(first_time(self._question.messages, self._engine.notices, before | self._said))
        self._state.say(found)
        self._said.update(notice.code for notice in found)

    def _provenance(self) -> Provenance:
        engine, identity, pictures = self._engine, self._identity, self.prompt.pictures
        fits = {picture.fit for picture in pictures.values()}
        return Provenance(
            model=identity.model,
            date=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            model_sha256=identity.model_sha256,
            projector_sha256=identity.projector_sha256,
            quant=identity.quant,
            adapters=_applied(identity, self._question.options),
            fit=fits.pop() if len(fits) == 1 else None,
            device=engine.device,
            projector_device=engine.vision_device if pictures else None,
            cpu_code=verdict().level.name,
            fallback="; ".join(engine.fallbacks) or None,
            options=self._question.options,
            seed=self._state.seed,
            versions={"edge_med": __version__, "llama_cpp": LLAMA_CPP_PYTHON},
            toy=identity.toy,
        )


def _applied(identity: ModelIdentity, options: Options) -> tuple[AppliedAdapter, ...]:
    return tuple(
        AppliedAdapter(name, identity.adapters[name], scale)
        for name, scale in options.adapters.items()
        if scale
    )
