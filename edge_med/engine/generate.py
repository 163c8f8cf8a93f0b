"""Write an answer token by token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_med.engine.model import Model, Stop
from edge_med.engine.tokens import Detokenizer, ends_generation
from edge_med.errors import CancelledError

FinishReason = Literal["stop", "length", "cancelled"]
Choose = Callable[[npt.NDArray[np.float32]], int]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the prompt and of the answer."""

    prompt: int
    answer: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds until the prompt was read and until the last token; tokens written per second."""

    read: float
    decode: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, and why it ended."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    timings: Timings


@dataclass(frozen=True, slots=True)
class Piece:
    """The next part of an answer."""

    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The last event of an answer."""

    answer: Answer


Event = Piece | End


def greedy(logits: npt.NDArray[np.float32]) -> int:
    """The most probable token."""
    return int(logits.argmax())


def stream(
    model: Model,
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    choose: Choose = greedy,
    stop: Stop = lambda: False,
) -> Iterator[Event]:
    """Read a prompt and write its continuation: pieces as they come, then one `End`.

    Args:
        model: with an empty context.
        prompt: ids.
        max_new_tokens: after which the answer is cut off, if the context doesn't end before;
            `finish_reason` is `length` for both.
        choose: picks the next token out of the logits.
        stop: asked before each token and while the prompt is read; true ends the answer.

    Raises:
        ContextOverflowError: the prompt doesn't fit the context.
        EngineError: llama.cpp failed.
    """
    began = time.perf_counter()
    writer = _Writer(model, choose)
    reason: FinishReason = "length"
    read_done = began
    try:
        model.read(prompt, stop)
        read_done = time.perf_counter()
        while True:
            if stop():
                reason = "cancelled"
                break
            token = writer.next_token()
            if token is None:
                reason = "stop"
                break
            yield Piece(writer.add(token), (token,))
            if writer.count == max_new_tokens or not model.room:
                break
            model.read([token], stop)
    except CancelledError:
        reason = "cancelled"
    if rest := writer.finish():
        yield Piece(rest, ())
    decode = time.perf_counter() - read_done
    speed = writer.count / decode if decode > 0 else 0.0
    timings = Timings(read_done - began, decode, speed)
    yield End(Answer(writer.text, reason, Usage(len(prompt), writer.count), timings))


class _Writer:
    """The answer so far."""

    def __init__(self, model: Model, choose: Choose) -> None:
        self._model = model
        self._choose = choose
        self._detokenizer = Detokenizer(model)
        self._parts: list[str] = []
        self.count = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def next_token(self) -> int | None:
        """The next token; None if it ends the answer."""
        token = self._choose(self._model.logits())
        return None if ends_generation(self._model, token) else token

    def add(self, token: int) -> str:
        self.count += 1
        self._parts.append(self._detokenizer.add(token))
        return self._parts[-1]

    def finish(self) -> str:
        self._parts.append(self._detokenizer.finish())
        return self._parts[-1]
