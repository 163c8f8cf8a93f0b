"""How probable a continuation is after a prompt: exact log-probabilities, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from edge_med.answers import Score, Usage
from edge_med.engine.cache.ledger import Item, length
from edge_med.engine.decode.logprobs import told
from edge_med.engine.engine import Engine
from edge_med.engine.llama.context import Stop
from edge_med.engine.prompt import IMAGE_TOKENS, compose
from edge_med.errors import PromptError, too_long
from edge_med.messages import Message


def score(
    engine: Engine,
    messages: Sequence[Message],
    continuation: str,
    top: int,
    stop: Stop,
    image_tokens: int = IMAGE_TOKENS,
    adapters: Mapping[str, float] | None = None,
) -> Score:
    """Read a prompt and a continuation, and tell what the model thought of each of its tokens.

    The continuation is tokenized by itself, as the model would write it: what it begins with never
    merges with the end of the prompt.

    Args:
        engine: used by nobody else meanwhile.
        messages: the prompt; what the engine has read already isn't read again.
        continuation: text; control tokens that are spelled out in it stay plain text.
        top: how many of each position's most probable tokens are told besides.
        stop: asked often; true ends it.
        image_tokens: positions that an image takes.
        adapters: that are applied, by name, with their scales.

    Raises:
        PromptError: the messages make no conversation, or the continuation is empty.
        ContextOverflowError: prompt and continuation don't fit the context.
        CancelledError: `stop` became true.
        EngineError: llama.cpp failed.
    """
    vocabulary = engine.model.vocabulary
    ids = vocabulary.tokenize(continuation)
    items = compose(engine.model, messages, image_tokens)
    _check(items, ids, engine.options.context)
    pictures = {picture.sha256: picture for m in messages for picture in m.pictures}
    reading = engine.read(items, pictures, stop, adapters=adapters)
    engine.keep(logits=True)
    rows = chain([engine.logits()], engine.rows(ids[:-1], stop))
    tokens = [told(vocabulary, token, row, top) for token, row in zip(ids, rows, strict=True)]
    usage = Usage(
        prompt=reading.prompt,
        cached=reading.cached,
        image=reading.image,
        thought=0,
        answer=len(ids),
    )
    return Score(tuple(tokens), usage)


def _check(items: Sequence[Item], ids: Sequence[int], context: int) -> None:
    if not ids:
        raise PromptError("The continuation is empty.", "Give a text of at least one token.")
    prompt, more = length(items), len(ids)
    if prompt + more > context:
        what = f"The prompt has {prompt} tokens and the continuation {more}"
        hint = "Shorten them, or raise --context."
        raise too_long(what, prompt + more, context, hint)
