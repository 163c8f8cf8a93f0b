"""What comes back: events while an answer is written, and the whole answer at their end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_med.config import Fit, Options
from edge_med.errors import CancelledError
from edge_med.plain_json import plain

FinishReason = Literal["stop", "length", "stop_string", "loop", "cancelled", "thought_budget"]
Integrity = Literal["verified", "unverified", "damaged", "unlisted"]
PieceKind = Literal["thought", "answer"]
Stage = Literal["load", "encode", "read"]

DISCLAIMER = "For research and education; never for diagnosis or treatment."
"""What stands over every chat, every answer on a terminal, and every file of a conversation."""

STAGES: dict[Stage, str] = {
    "load": "opening the projector",
    "encode": "looking at the image",
    "read": "reading",
}
"""What a stage on the way to an answer is called where people see it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens.

    Attributes:
        prompt: number of tokens of the whole prompt, with earlier turns and images.
        cached: number of these tokens that were in the cache.
        image: number of these tokens that belong to images.
        thought: number of tokens of the thought before the answer.
        answer: number of tokens of the answer.
    """

    prompt: int
    cached: int
    image: int
    thought: int
    answer: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many tokens a conversation has, and how many of them are of images."""

    prompt: int
    image: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds.

    Attributes:
        load: time of loading the projector, if this call was the first with an image.
        encode: time of encoding images.
        read: time of reading the prompt, without `load` and `encode`.
        first_token: time from the start of the call to the first token.
        decode: time of writing the answer.
        tokens_per_second: speed of writing the answer.
        wait: time of waiting for other calls, before all the others.
    """

    load: float
    encode: float
    read: float
    first_token: float
    decode: float
    tokens_per_second: float
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that could have come, with its natural log-probability."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the answer: its log-probability as the model gave it, before any sampling rule.

    `top` are the best candidates of its position, the most probable first.
    """

    id: int
    text: str
    logprob: float
    top: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How probable a continuation is, token by token.

    Attributes:
        tokens: tokens of the continuation.
        usage: numbers of tokens; `answer` counts the continuation's tokens.
        notices: notices for the user, as those of an answer.
        provenance: provenance of the score, without a seed.
    """

    tokens: tuple[Token, ...]
    usage: Usage
    notices: tuple[Notice, ...]
    provenance: Provenance

    @property
    def logprob(self) -> float:
        """Natural logarithm of the probability of the whole continuation."""
        return math.fsum(token.logprob for token in self.tokens)

    @property
    def perplexity(self) -> float:
        """The inverse of the geometric mean of its tokens' probabilities; 1 is certain."""
        try:
            return math.exp(-self.logprob / len(self.tokens))
        except OverflowError:
            return math.inf


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of several options the model finds most probable.

    Attributes:
        index: index of the best option; of equal ones the first.
        option: the best one.
        probabilities: probabilities of the options among each other, with the sum 1.
        scores: scores of the options.
    """

    index: int
    option: str
    probabilities: tuple[float, ...]
    scores: tuple[Score, ...]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the user should know: of all scores, each thing once."""
        return tuple(dict.fromkeys(notice for score in self.scores for notice in score.notices))

    @property
    def provenance(self) -> Provenance:
        """What it came from: that of the last score, by which most is known of the files."""
        return self.scores[-1].provenance


@dataclass(frozen=True, slots=True)
class AppliedAdapter:
    """An adapter that an answer was written with: its name, its file's hash, and the scale."""

    name: str
    sha256: str
    scale: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """What an answer came from, so that it can be had again.

    Attributes:
        model: name of the text model's file, without its folder.
        date: time of the answer: ISO 8601 in seconds, with the difference from UTC. It isn't
            compared.
        model_sha256: hash of the text model's file, from its manifest or from reading it; None
            before it is known.
        projector_sha256: hash of the projector's file likewise; None without a projector.
        quant: quant of the text model.
        adapters: applied adapters, with their scales.
        fit: fit of the images; None without images, or if their fits differ.
        device: device that computed: `cpu` or its name, or several joined by `+`.
        projector_device: device that encoded images; None without images.
        cpu_code: level of llama.cpp's code for the CPU: `as built`, `without AMX`, or
            `without AMX and repacked weights`.
        fallback: why another device than the planned one did; None if none did.
        options: options of the call.
        seed: seed of the sampling; None if it was greedy.
        versions: versions of edge_med and llama_cpp.
        toy: whether a toy has answered, which knows no medicine.
        integrity: `verified` if all files are what their manifest says, `unverified` as long as
            they haven't been read since they came, `damaged` if one turned out to be another while
            this was answered, `unlisted` without a manifest.
    """

    model: str
    date: str = field(compare=False)
    model_sha256: str | None
    projector_sha256: str | None
    quant: str
    adapters: tuple[AppliedAdapter, ...]
    fit: Fit | None
    device: str
    projector_device: str | None
    cpu_code: str
    fallback: str | None
    options: Options
    seed: int | None
    versions: Mapping[str, str] = field(hash=False)
    toy: bool = False
    integrity: Integrity = "unlisted"


@dataclass(frozen=True, slots=True)
class Notice:
    """What the user should know; `code` is for programs, `text` for people."""

    code: str
    text: str


SHOWN = 60
"""Characters of a text in a `repr`."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A whole answer, and why it ended.

    Attributes:
        text: the answer alone.
        thought: thought before the answer; None if there is none.
        finish_reason: `stop` if the model ended it; `length` at `max_new_tokens` or the end of the
            context; `stop_string`; `loop` if it repeated itself; `cancelled`; `thought_budget` if
            the thought was ended by force and no answer came.
        usage: tokens.
        timings: seconds.
        logprobs: tokens of the answer with log-probabilities, if the options ask for them.
        notices: notices for the user.
        provenance: provenance of the answer.
        parsed: the value of the answer, if a schema was given.
    """

    text: str
    thought: str | None
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    logprobs: tuple[Token, ...] | None
    notices: tuple[Notice, ...]
    provenance: Provenance
    parsed: Any = field(default=None, hash=False)

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= SHOWN else f"{self.text[:SHOWN]}…"
        return f"Answer({text!r}, {self.finish_reason}, {self.usage.answer} tokens)"

    def to_dict(self) -> dict[str, Any]:
        """All fields as values that JSON knows: what `edge-med ask --json` prints.

        Numbers that JSON doesn't know are None, such as a bias of -inf in the options.
        """
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is that takes its time.

    Attributes:
        stage: `load` of the projector, `encode` of images, `read` of the prompt.
        done: units done, out of `total`: images, or tokens.
        total: number of all units.
        seconds_left: estimated; None as long as nothing is known.
    """

    stage: Stage
    done: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Piece:
    """The next part of thought or answer: its text, and the tokens that made it."""

    kind: PieceKind
    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The last event."""

    answer: Answer


Event = Progress | Piece | Notice | End


def whole(events: Iterator[Event]) -> Answer:
    """The answer at the end of a stream; raises as `checked_whole` does."""
    (answer,) = [event.answer for event in events if isinstance(event, End)]
    return checked_whole(answer)


def checked_whole(answer: Answer) -> Answer:
    """An answer to whoever has waited for the whole of it.

    Raises:
        CancelledError: it was cancelled before a word came, or before its form was complete; the
            error has what there is.
    """
    options = answer.provenance.options
    formed = options.schema is not None or options.grammar is not None
    if answer.finish_reason != "cancelled" or (answer.text.strip() and not formed):
        return answer
    what = "its form was complete" if answer.text.strip() else "a word of it came"
    raise CancelledError(
        f"The answer was cancelled before {what}.",
        "Ask again; the error's `answer` has what there is.",
        answer,
    )
