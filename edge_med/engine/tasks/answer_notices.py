"""What comes with an answer or a score: the notices, and the provenance."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_med import __version__
from edge_med.answers import AppliedAdapter, Notice, Provenance
from edge_med.config import Options
from edge_med.engine.cache.ledger import length
from edge_med.engine.decode.notices import ALWAYS, beyond, first_time, no_image_shown
from edge_med.engine.engine import Engine
from edge_med.engine.llama.bindings import verdict
from edge_med.engine.tasks.task import TaskPrompt
from edge_med.imaging import picture_notices
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


class AnswerNotices:
    """The notices and the provenance of one question, whatever the task."""

    def __init__(
        self, engine: Engine, identity: ModelIdentity, question: Question, prompt: TaskPrompt
    ) -> None:
        """Begin with a question that is about to be read.

        Args:
            engine: the source of facts; it remembers which notices were given.
            identity: what is known of its files.
            question: what is asked.
            prompt: the ids and images that are read for it.
        """
        self._engine, self._identity = engine, identity
        self._question, self._prompt = question, prompt
        self._given: set[str] = set()

    def before_prefill(self) -> Sequence[Notice]:
        """The notices that are known before anything is read."""
        engine, messages = self._engine, self._question.messages
        shown = [picture for message in messages for picture in message.pictures]
        return (
            *picture_notices.among(shown),
            *self.new(),
            *beyond(length(self._prompt.items), engine.model.trained_context),
            *(no_image_shown(messages) if engine.images.sees else ()),
        )

    def new(self) -> Sequence[Notice]:
        """The notices that came up since; where the projector went is known with an image."""
        given = (self._engine.notices_given - ALWAYS) | self._given
        found = tuple(first_time(self._question.messages, self._engine.notices, given))
        self._given.update(notice.code for notice in found)
        return found

    def mark_given(self) -> None:
        """Remember in the engine what was given: what comes once for a loaded model came."""
        self._engine.notices_given.update(self._given)

    def provenance(self, seed: int | None = None) -> Provenance:
        """What the answer came from; the seed is that of its choice of tokens."""
        engine, identity, pictures = self._engine, self._identity, self._prompt.pictures
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
            seed=seed,
            versions={"edge_med": __version__, "llama_cpp": LLAMA_CPP_PYTHON},
            toy=identity.toy,
        )


def _applied(identity: ModelIdentity, options: Options) -> tuple[AppliedAdapter, ...]:
    return tuple(
        AppliedAdapter(name, identity.adapters[name], scale)
        for name, scale in options.adapters.items()
        if scale
    )
