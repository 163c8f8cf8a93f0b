"""What callers and the engine say to each other: plain values, so that they can cross processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_med.answers import Event, Notice, Score, Tokens
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions
from edge_med.engine.tasks.generate import GenerateRequest, ModelIdentity
from edge_med.engine.tasks.raw_generate import Chosen, ContinueRequest, Ended
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.errors import EdgeMedError
from edge_med.models.shares import Placed, Placement
from edge_med.question import Question


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is opened, how, and where; arguments as `Engine`'s, and `identity` goes into answers."""

    text: Path
    projector: Path | None
    identity: ModelIdentity
    options: LoadOptions
    adapters: Mapping[str, Path] = field(default_factory=dict)
    header: Header | None = None
    placements: tuple[Placement, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class CountRequest:
    """Count a conversation's tokens: the reply is `Tokens`."""

    question: Question


@dataclass(frozen=True, slots=True)
class Failed:
    """A request has failed; nothing follows."""

    error: EdgeMedError


Request = GenerateRequest | CountRequest | ScoreRequest | ContinueRequest
Reply = Event | Tokens | Score | Chosen | Ended | Failed


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How a model is loaded, and what llama.cpp has put where, as of the last reply."""

    options: LoadOptions
    placed: tuple[Placed, ...] = ()


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
class Opened:
    """From the engine: everything is open."""

    status: EngineStatus


@dataclass(frozen=True, slots=True)
class Refused:
    """From the engine: it can't be opened, and has ended."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Answered:
    """From the engine: a reply to a request, and the status if that has changed."""

    number: int
    reply: Reply
    status: EngineStatus | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """From the engine: it has ended, and answers nothing more."""


ToEngine = Submit | Cancel | Leave | Close
FromEngine = Opened | Refused | Answered | Closed
