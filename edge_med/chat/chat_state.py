"""What a chat holds beside its conversation: what waits, and how answers are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_med import documents
from edge_med.answers import Answer
from edge_med.chat.image_options import Looking, Sources
from edge_med.chat.ui import UI
from edge_med.config import Options
from edge_med.conversation.session import Conversation
from edge_med.errors import PromptError
from edge_med.imaging import Picture, Study
from edge_med.imaging.volume.slice_selection import AROUND, series_among
from edge_med.imaging.volume.study import as_series
from edge_med.messages import Message, TextPart, shown_parts
from edge_med.planner.latency import Estimates
from edge_med.protocols import LoadedModel


def counted(number: int, name: str) -> str:
    """A number of things in words."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


@dataclass(frozen=True, slots=True)
class AttachedText:
    """A text that goes before the next question."""

    text: str
    tokens: int


@dataclass(slots=True)
class PendingAttachments:
    """What goes with the next question.

    Attributes:
        pictures: images.
        reports: texts.
        tagged: those of the images that the model is told of.
    """

    pictures: list[Picture | Study] = field(default_factory=list)
    reports: list[AttachedText] = field(default_factory=list)
    tagged: list[Picture | Study] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pictures or self.reports)

    def told(self) -> str:
        """How many there are, as the beginning of a sentence."""
        pictures = counted(len(self.pictures), "image") if self.pictures else ""
        reports = counted(len(self.reports), "text") if self.reports else ""
        verb = "is" if len(self.pictures) + len(self.reports) == 1 else "are"
        return f"{' and '.join(filter(None, (pictures, reports)))} {verb}"

    def turn(self, text: str, before: Sequence[Picture] = ()) -> Message:
        """A question with all of it, and with pictures before that."""
        parts = [part for image in [*before, *self.pictures] for part in shown_parts(image)]
        whole = documents.prepend(text, [report.text for report in self.reports])
        tagged = set(map(id, self.tagged))
        known = [image.about.told() for image in self.pictures if id(image) in tagged]
        whole = documents.prepend_facts(whole, known)
        return Message("user", (*parts, TextPart(whole)))


@dataclass(slots=True)
class ChatState:
    """A chat.

    Attributes:
        yes: nothing is asked.
        keep: the file that the conversation is written to after each answer.
        sources: where pictures are from, so that they are named, and boxes drawn there.
        looking: how images are opened where a command has no flags for it.
        read: what the engine has read, as far as anybody knows.
        last: the last answer.
        thoughts: whether they are shown.
        above: texts that stand before questions, by the whole that was sent.
        sent: what had waited for a question and went with it, which waits again if it is undone.
        files: of this chat, which may be written again without asking.
        doubts: that were told of its images; each is told once.
        again: asks once more what the engine failed at; None if it didn't.
        leaving: whether it is over.
    """

    model: LoadedModel
    ui: UI
    options: Options
    conversation: Conversation
    estimates: Estimates
    yes: bool = False
    keep: Path | None = None
    waiting: PendingAttachments = field(default_factory=PendingAttachments)
    sources: Sources = field(default_factory=Sources)
    looking: Looking = field(default_factory=Looking)
    read: Sequence[Message] = ()
    last: Answer | None = None
    thoughts: bool = False
    above: dict[str, str] = field(default_factory=dict)
    sent: dict[Message, PendingAttachments] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    doubts: set[str] = field(default_factory=set)
    again: Callable[[], object] | None = None
    leaving: bool = False

    @property
    def questions(self) -> list[Message]:
        """The user's turns."""
        return [message for message in self.conversation.messages if message.role == "user"]

    def asked(self, question: Message) -> str:
        """What was typed of a question, without texts that stand before it."""
        whole = question.question
        return whole.removeprefix(self.above.get(whole, ""))

    def wait_again(self, question: Message) -> None:
        """Let what went with a question wait for the next one, before what waits already.

        Of a question that was loaded, or has lost an image, these are its images; slices with
        labels are a series. Pictures that another question has shown as well stay there.
        """
        before = self.sent.get(question) or PendingAttachments([*self._shown(question)])
        waiting, left = self.waiting, {picture.sha256 for _turn, picture in self.pictures}
        pictures = [
            image
            for image in before.pictures
            if isinstance(image, Study) or image.sha256 not in left
        ]
        self.waiting = PendingAttachments(
            [*pictures, *waiting.pictures],
            [*before.reports, *waiting.reports],
            [*before.tagged, *waiting.tagged],
        )

    def _shown(self, question: Message) -> Iterator[Picture | Study]:
        projector = self.model.info.projector
        each = AROUND + (projector.image_tokens or 0 if projector else 0)
        for group, labels in series_among(question.pictures, question.labels):
            yield from [as_series(group, each)] if labels else group

    @property
    def system(self) -> str | None:
        """The system text."""
        found = [m.text for m in self.conversation.messages if m.role == "system"]
        return found[0] if found else None

    @property
    def pictures(self) -> Iterator[tuple[int, Picture]]:
        """The conversation's pictures, each with the number of its question."""
        for number, message in enumerate(self.questions, 1):
            yield from ((number, picture) for picture in message.pictures)

    def used(self) -> int:
        """Tokens of the conversation."""
        messages = self.conversation.messages
        try:
            return self.model.count(messages).prompt if messages else 0
        except PromptError:  # a base model knows no turns; what it read last is all there is
            return self.last.usage.prompt + self.last.usage.answer if self.last else 0

    def status(self) -> str:
        """One line: the model, its device, how full the context is, how fast it writes."""
        info = self.model.info
        name = f"{info.model.file}, a toy: no medicine" if info.model.toy else info.model.file
        parts = [name, info.device, f"{self.used()} of {info.options.context} tokens"]
        if self.last and self.last.timings.tokens_per_second:
            parts.append(f"{self.last.timings.tokens_per_second:.1f} tok/s")
        return " · ".join(parts)

    def begin_anew(self) -> None:
        """An empty conversation with the same system text and settings; nothing waits."""
        self.conversation = self.model.chat(self.system, self.options)
        self.waiting, self.sent = PendingAttachments(), {}
        self.last = self.again = None

    def set(self, **options: Any) -> None:
        """Change options of the answers to come."""
        self.options = replace(self.options, **options)
