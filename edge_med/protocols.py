"""What others need of a loaded model: sessions, the chat, and whoever stands in for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from edge_med.answers import Event, Score, Tokens
from edge_med.config import Options
from edge_med.engine.service.client import Call
from edge_med.engine.service.protocol import CountRequest, TokenIds, TokenizeRequest
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.messages import Message, Prompt


class Fitting(Protocol):
    """What makes messages for one model."""

    @property
    def info(self) -> Any:
        """What was loaded."""

    @property
    def side(self) -> int:
        """Of the square that images are fitted to, in pixels."""

    def messages(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        options: Options = ...,
    ) -> tuple[Message, ...]:
        """A prompt as messages, with its images fitted."""


class LoadedModel(Fitting, Protocol):
    """What the chat needs of a loaded model; `MedGemma` has it."""

    def chat(self, system: str | None = None, options: Options = ...) -> Any:
        """Begin a conversation."""

    def count(self, prompt: Prompt) -> Tokens:
        """How many tokens a prompt has."""

    def cancel(self) -> bool:
        """End what is being written; says whether there was something."""


class Service(Protocol):
    """What answers requests; `engine.service.client.Client` does."""

    @property
    def starts(self) -> int:
        """Engines that were started: what an earlier one has read is read again."""

    def cancellable(self) -> AbstractContextManager[Call]:
        """A call of one request or of several, which ends as a whole."""

    def events(self, request: GenerateRequest, call: Call | None = None) -> Iterator[Event]:
        """The events of an answer; its error is raised."""

    def reply(
        self, request: CountRequest | ScoreRequest | TokenizeRequest, call: Call | None = None
    ) -> Tokens | Score | TokenIds:
        """The one reply to a request; its error is raised."""
