"""A chat without terminal and engine: what is entered and what is answered is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edge_med.answers import (
    Answer,
    End,
    Event,
    Notice,
    Piece,
    Progress,
    Provenance,
    Timings,
    Tokens,
    Usage,
)
from edge_med.artifacts.vision_facts import VisionFacts
from edge_med.chat import loop
from edge_med.chat.chat_state import ChatState
from edge_med.config import LoadOptions, Options
from edge_med.conversation.session import Conversation
from edge_med.engine.service.client import Call
from edge_med.engine.service.protocol import CountRequest
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import EdgeMedError
from edge_med.messages import Message, Prompt, as_messages
from edge_med.planner.latency import Estimates
from edge_med.question import Question

SIDE = 56
IMAGE_TOKENS = 4


def tokens(messages: Sequence[Message]) -> int:
    """Words, and four for an image."""
    return sum(len(m.text.split()) + IMAGE_TOKENS * len(m.pictures) for m in messages)


class ScriptedWorker:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[str | EdgeMedError] = []
        self.thought: str | None = None
        self.notices: tuple[Notice, ...] = ()
        self.reason = "stop"
        self.asked: list[Question] = []
        self.starts = 1

    @contextmanager
    def cancellable(self) -> Iterator[Call]:
        yield Call(0)

    def reply(self, request: CountRequest, call: Call | None = None) -> Tokens:
        return Tokens(tokens(request.question.messages), 0)

    def events(self, request: GenerateRequest, call: Call | None = None) -> Iterator[Event]:
        self.asked.append(request.question)
        said = self.answers.pop(0) if self.answers else "yes"
        if isinstance(said, EdgeMedError):
            raise said
        if any(message.pictures for message in request.question.messages):
            yield Progress("encode", 0, 1, None)
            yield Progress("encode", 1, 1, 0.0)
        yield Progress("read", 5, 5, 0.0)
        yield from self.notices
        if self.thought:
            yield Piece("thought", self.thought, (1,))
        yield from (Piece("answer", part, (1,)) for part in said.splitlines(keepends=True))
        yield End(self._answer(said, request))

    def _answer(self, text: str, request: GenerateRequest) -> Answer:
        count = tokens(request.question.messages)
        return Answer(
            text=text,
            thought=self.thought,
            finish_reason=self.reason,  # type: ignore[arg-type]
            usage=Usage(count, 0, 0, 0, len(text.split())),
            timings=Timings(0.0, 2.0, 1.0, 3.0, 1.0, 20.0),
            logprobs=None,
            notices=self.notices,
            provenance=Provenance(
                model="toy-F32.gguf",
                date="2026-11-29T20:00:00+00:00",
                model_sha256=None,
                projector_sha256=None,
                quant="F32",
                adapters=(),
                fit=None,
                device="cpu",
                projector_device=None,
                cpu_code="as built",
                fallback=None,
                options=request.question.options,
                seed=None,
                versions={},
            ),
        )


class ScriptedModel:
    """A model of that worker."""

    def __init__(self) -> None:
        self.worker = ScriptedWorker()
        self.side = SIDE
        self.info = SimpleNamespace(
            model=SimpleNamespace(file="toy-F32.gguf", quant="F32", toy=False),
            projector=SimpleNamespace(size=1000, image_size=SIDE, image_tokens=IMAGE_TOKENS),
            vision=VisionFacts(SIDE, IMAGE_TOKENS),
            options=LoadOptions(context=512),
            cpu_code="as built",
            plan=SimpleNamespace(total=10**9, cache_budget=8 * 10**8),
            device="cpu",
        )

    def chat(self, system: str | None = None, options: Options = Options()) -> Conversation:  # noqa: B008
        return Conversation(self, self.worker, system, options)  # type: ignore[arg-type]

    def count(self, prompt: Prompt) -> Tokens:
        return Tokens(tokens(as_messages(prompt)), 0)

    def messages(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        options: Options = Options(),  # noqa: B008
    ) -> tuple[Message, ...]:
        shown = [*([image] if image is not None else []), *images]
        return as_messages(prompt, images=shown, fit=options.fit, side=SIDE)

    def cancel(self) -> bool:
        return True


@dataclass
class ScriptedUI:
    """Enters lines, decides as told, and remembers what it was shown."""

    private = True

    lines: list[str] = field(default_factory=list)
    agrees: bool = True
    said: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    urgent: list[str] = field(default_factory=list)
    errors: list[EdgeMedError] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)

    def read(self, prompt: str, *, status: str = "", text: str = "") -> str | None:
        self.prompts.append(prompt)
        self.offered.append(text)
        return self.lines.pop(0) if self.lines else None

    def say(self, text: str) -> None:
        self.said.append(text)

    def notice(self, text: str, *, always: bool = False) -> None:
        self.notices.append(text)
        if always:
            self.urgent.append(text)

    def fail(self, error: EdgeMedError) -> None:
        self.errors.append(error)

    def progress(self, text: str) -> None:
        self.stages.append(text)

    def piece(self, piece: Piece) -> None:
        self.pieces.append(piece)

    @contextmanager
    def answering(self, cancel: Callable[[], bool]) -> Iterator[None]:
        yield

    def confirm(self, question: str, *, otherwise: bool) -> bool:
        self.questions.append(question)
        return self.agrees


@dataclass
class Held:
    """A chat that lines are given to."""

    chat: ChatState
    ui: ScriptedUI
    worker: ScriptedWorker

    def enter(self, *lines: str) -> None:
        """Enter lines, as somebody who types does."""
        self.ui.lines += lines
        loop.run(self.chat)

    @property
    def texts(self) -> list[str]:
        """Of the conversation's messages."""
        return [message.text for message in self.chat.conversation.messages]

    @property
    def error(self) -> EdgeMedError:
        """The only error that was shown."""
        (error,) = self.ui.errors
        return error

    def without_projector(self) -> None:
        """Let the model be one that can't see."""
        self.chat.model.info.projector = None


def hold(folder: Path, **options: Any) -> Held:
    """A chat with an empty conversation; what is learnt of speed goes to the folder."""
    model, ui = ScriptedModel(), ScriptedUI()
    weights = folder / "toy-F32.gguf"
    weights.write_bytes(bytes(1000))
    estimates = Estimates(weights, 2, folder / "state")
    chosen = replace(Options(), **options)
    chat = ChatState(model, ui, chosen, model.chat(None, chosen), estimates)
    return Held(chat, ui, model.worker)
