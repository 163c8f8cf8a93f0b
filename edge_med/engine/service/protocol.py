"""What callers and the engine say to each other: plain values, so that they can cross processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_med.answers import Event, Notice, Score, Tokens
from edge_med.config import LoadOptions
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.engine.tasks.raw_generate import ContinueRequest, RawEnd, RawToken
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.errors import EdgeMedError
from edge_med.library.loaded_adapters import FoundAdapter
from edge_med.planner.memory_plan import MemoryPlan
from edge_med.planner.placement_types import DeviceUsage, ModelSpec
from edge_med.question import Question


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is opened, and how.

    Attributes:
        text: the text model's file.
        projector: its projector's; None for a model that can't see.
        subject: their headers.
        identity: goes into answers.
        options: the load options as the user wrote them.
        adapters: the adapters that are loaded with it.
        notices: notices about the files, besides those that come of loading them.
    """

    text: Path
    projector: Path | None
    subject: ModelSpec
    identity: ModelIdentity
    options: LoadOptions
    adapters: tuple[FoundAdapter, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class CountRequest:
    """Count a conversation's tokens: the reply is `Tokens`."""

    question: Question


@dataclass(frozen=True, slots=True)
class TokenizeRequest:
    """Tokenize a text: the reply is `TokenIds`."""

    text: str


@dataclass(frozen=True, slots=True)
class TokenIds:
    """The ids of a text."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """A request has failed; nothing follows."""

    error: EdgeMedError


Request = GenerateRequest | CountRequest | ScoreRequest | ContinueRequest | TokenizeRequest
Reply = Event | Tokens | Score | TokenIds | RawToken | RawEnd | RequestFailed


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How a model is loaded, and what llama.cpp has put where, as of the last reply."""

    options: LoadOptions
    usage: tuple[DeviceUsage, ...] = ()


@dataclass(frozen=True, slots=True)
class Submit:
    """To the engine: answer a request, of a call."""

    number: int
    call: int
    request: Request


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the engine: end a call."""

    call: int


@dataclass(frozen=True, slots=True)
class Leave:
    """To the engine: end a call, of which nothing more will come."""

    call: int


@dataclass(frozen=True, slots=True)
class Close:
    """To the engine: cancel everything, and end."""


@dataclass(frozen=True, slots=True)
class EngineOpened:
    """From the engine: everything is open.

    Attributes:
        status: how the model is loaded.
        plan: the memory plan.
        cpu_code: how much of llama.cpp's code for the CPU is used.
    """

    status: EngineStatus
    plan: MemoryPlan
    cpu_code: str


@dataclass(frozen=True, slots=True)
class EngineRefused:
    """From the engine: it can't be opened, and has ended."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class RequestBegun:
    """From the engine: it works on a request."""

    number: int


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """From the engine: a reply to a request, and the status if that has changed."""

    number: int
    reply: Reply
    status: EngineStatus | None = None


@dataclass(frozen=True, slots=True)
class EngineClosed:
    """From the engine: it has ended, and answers nothing more.

    Attributes:
        error: what has ended the engine; None if it was closed.
        by_itself: whether a fault of its own has, and not somebody from outside.
    """

    error: EdgeMedError | None = None
    by_itself: bool = False


@dataclass(frozen=True, slots=True)
class LineLogged:
    """From the engine: a line of its log, for the logger of that name."""

    name: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Listen:
    """To the engine's process: records of its log are wanted from a level on."""

    level: int


ToEngine = Submit | Cancel | Leave | Close
FromEngine = (
    EngineOpened | EngineRefused | RequestBegun | RequestAnswered | EngineClosed | LineLogged
)
