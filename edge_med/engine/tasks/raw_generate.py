"""Continue a prompt that is given by its ids: nothing but token after token, as transformers does.

Beside `generate`, for callers that have their own prompt and make their own text of what comes; the
loop of `writing` without thoughts, forms, stop texts and notices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from edge_med.config import Options
from edge_med.engine.cache.ledger import Item
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.engine import Engine
from edge_med.engine.llama.context import Stop
from edge_med.errors import CancelledError
from edge_med.imaging import Picture


@dataclass(frozen=True, slots=True)
class Chosen:
    """The next token; one that ends the text comes too."""

    id: int


@dataclass(frozen=True, slots=True)
class Ended:
    """No token follows."""

    reason: Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Continue:
    """Continue a prompt: replies are `Chosen`, up to `Ended`.

    Attributes:
        items: the prompt.
        pictures: of its images, by their keys.
        options: how tokens are chosen, and how many; `stop_ids` end it, and nothing else does if
            there are any.
    """

    items: tuple[Item, ...]
    pictures: Mapping[str, Picture]
    options: Options


def continue_prompt(
    engine: Engine, asked: Continue, emit: Callable[[Chosen | Ended], None], stop: Stop
) -> None:
    """Emit every token as it is chosen, then why it ended.

    Raises:
        ContextOverflowError: the prompt doesn't fit the context.
        ImageError: the model can't see.
        EngineError: llama.cpp failed.
    """
    try:
        engine.read(asked.items, asked.pictures, stop, adapters=asked.options.adapters)
        reason = _write(engine, asked.options, emit, stop)
    except CancelledError:
        reason = "cancelled"
    emit(Ended(reason))
    engine.keep(logits=False)


def _write(
    engine: Engine, options: Options, emit: Callable[[Chosen | Ended], None], stop: Stop
) -> Literal["stop", "length", "cancelled"]:
    ends = options.stop_ids.__contains__ if options.stop_ids else engine.model.vocabulary.ends
    sampler = Sampler(options, engine.model.vocabulary.size)
    for count in range(options.max_new_tokens):
        if stop():
            return "cancelled"
        token = sampler.choose(engine.logits())
        emit(Chosen(token))
        if ends(token):
            return "stop"
        if count == 0:  # so that the same prompt can be continued again without reading it
            engine.keep(logits=True)
        if not engine.room or count == options.max_new_tokens - 1:
            break
        engine.add(token)
    return "length"
