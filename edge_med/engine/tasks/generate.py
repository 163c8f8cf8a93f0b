"""Write an answer: read the prompt, then choose token after token until it ends for a reason."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_med import __version__
from edge_med.answers import AppliedAdapter, End, Provenance
from edge_med.config import Options
from edge_med.engine.decode.answer_state import Writing
from edge_med.engine.decode.notices import first_time
from edge_med.engine.decode.thinking import instructed
from edge_med.engine.engine import Engine
from edge_med.engine.grammar.response_format import Structure
from edge_med.engine.llama.bindings import verdict
from edge_med.engine.llama.context import Stop
from edge_med.engine.prefill import Emit
from edge_med.engine.prompt import compose
from edge_med.errors import CancelledError, SchemaError
from edge_med.imaging import Picture
from edge_med.messages import Message
from edge_med.native import LLAMA_CPP_PYTHON


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of the files that an engine has opened; it goes into every answer.

    `adapters` has the hashes of their files by their names.
    """

    model_sha256: str | None
    projector_sha256: str | None
    quant: str
    image_tokens: int
    adapters: Mapping[str, str] = field(default_factory=dict)


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
    engine.adapters.applied(options.adapters)  # a name that is unknown is refused before anything
    structure = Structure(options)
    shown = structure.shown(instructed(messages, options))
    items = compose(engine.model, shown, source.image_tokens)
    pictures = {picture.sha256: picture for m in messages for picture in m.pictures}
    writing = Writing(engine, options, structure, emit, began)
    once = list(first_time(engine, messages))
    writing.say(once)
    try:
        engine.read(items, pictures, stop, emit, options.adapters)
        late = [notice for notice in first_time(engine, messages) if notice not in once]
        writing.say(late)  # where its projector went shows with the first image
        once += late
        reason = writing.write(stop)
    except CancelledError:
        reason = "cancelled"
    except SchemaError as error:
        raise SchemaError(error.message, error.hint, writing.text) from None
    writing.reading = engine.reading
    origin = _provenance(engine, source, pictures, options, writing.seed)
    try:
        emit(End(writing.finish(reason, origin)))
        engine.told.update(notice.code for notice in once)
    finally:
        engine.keep(logits=False)


def _provenance(
    engine: Engine,
    source: Source,
    pictures: Mapping[str, Picture],
    options: Options,
    seed: int | None,
) -> Provenance:
    fits = {picture.fit for picture in pictures.values()}
    return Provenance(
        model_sha256=source.model_sha256,
        projector_sha256=source.projector_sha256,
        quant=source.quant,
        adapters=_applied(source, options),
        fit=fits.pop() if len(fits) == 1 else None,
        device=engine.device,
        projector_device=engine.eye if pictures else None,
        cpu_code=verdict().level.name,
        fallback="; ".join(engine.fallbacks) or None,
        options=options,
        seed=seed,
        versions={"edge_med": __version__, "llama_cpp": LLAMA_CPP_PYTHON},
    )


def _applied(source: Source, options: Options) -> tuple[AppliedAdapter, ...]:
    return tuple(
        AppliedAdapter(name, source.adapters[name], scale)
        for name, scale in options.adapters.items()
        if scale
    )
