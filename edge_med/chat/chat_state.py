"""State of a chat besides its conversation: attachments, and options of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edge_med import documents
from edge_med.answers import Answer
from edge_med.chat.image_options import ImageOptions, PictureOrigins
from edge_med.chat.ui import UI
from edge_med.config import Options
from edge_med.conversation.session import Conversation
from edge_med.errors import PromptError
from edge_med.imaging import Picture, Study
from edge_med.imaging.volume.slice_budget import AROUND
from edge_med.imaging.volume.slice_selection import series_among
from edge_med.imaging.volume.study import as_series
from edge_med.messages import Message, TextPart, shown_parts
from edge_med.planner.latency import Estimates
from edge_med.protocols import LoadedModel


def counted(number: int, name: str) -> str:
    """A number of things in words."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


@dataclass(frozen=True, slots=True)
class AttachedText:
    """A text that is sent before the next question."""

    text: str
    tokens: int


@dataclass(slots=True)
class PendingAttachments:
    """Images and texts that are sent with the next question.

    Attributes:
        pictures: images of the next question.
        reports: texts of the next question.
        tagged: images whose modality, body part and view are in the prompt.
    """

    pictures: list[Picture | Study] = field(default_factory=list)
    reports: list[AttachedText] = field(default_factory=list)
    tagged: list[Picture | Study] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.pictures or self.reports)

    def phrase(self) -> str:
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
        known = [image.about.prompt_line() for image in self.pictures if id(image) in tagged]
        whole = documents.prepend_facts(whole, known)
        return Message("user", (*parts, TextPart(whole)))


@dataclass(slots=True)
class ChatState:
    """A chat.

    Attributes:
        yes: whether long waits begin without a question.
        keep: path of the file that the conversation is written to after each answer.
        picture_origins: files of the pictures, for their names and for drawing boxes.
        image_options: options for opening images, where a command has no flags.
        seen: messages that the engine has read, as far as is known.
        last: the last answer.
        thoughts: whether thoughts are shown.
        attached_text: texts that were put before a question, by the whole message.
        sent: attachments of each question, which are attached again if it is undone.
        files: paths that this chat may overwrite without asking.
        shown_doubts: texts of doubts about images that were shown; each is shown once.
        retry: function that repeats the request that failed; None if none failed.
        leaving: whether the user has left.
    """

    model: LoadedModel
    ui: UI
    options: Options
    conversation: Conversation
    estimates: Estimates
    yes: bool = False
    keep: Path | None = None
    pending: PendingAttachments = field(default_factory=PendingAttachments)
    picture_origins: PictureOrigins = field(default_factory=PictureOrigins)
    image_options: ImageOptions = field(default_factory=ImageOptions)
    seen: Sequence[Message] = ()
    last: Answer | None = None
    thoughts: bool = False
    attached_text: dict[str, str] = field(default_factory=dict)
    sent: dict[Message, PendingAttachments] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    shown_doubts: set[str] = field(default_factory=set)
    retry: Callable[[], object] | None = None
    leaving: bool = False

    @property
    def questions(self) -> list[Message]:
        """The user's turns."""
        return [message for message in self.conversation.messages if message.role == "user"]

    def typed_text(self, question: Message) -> str:
        """The typed part of a question, without texts before it."""
        whole = question.question
        return whole.removeprefix(self.attached_text.get(whole, ""))

    def reattach(self, question: Message) -> None:
        """Let what went with a question wait for the next one, before what waits already.

        Of a question that was loaded, or has lost an image, these are its images; slices with
        labels are a series. Pictures that another question has shown as well stay there.
        """
        before = self.sent.get(question) or PendingAttachments([*self._shown(question)])
        pending, left = self.pending, {picture.sha256 for _turn, picture in self.pictures}
        pictures = [
            image
            for image in before.pictures
            if isinstance(image, Study) or image.sha256 not in left
        ]
        self.pending = PendingAttachments(
            [*pictures, *pending.pictures],
            [*before.reports, *pending.reports],
            [*before.tagged, *pending.tagged],
        )

    def _shown(self, question: Message) -> Iterator[Picture | Study]:
        each = AROUND + self.model.info.vision.tokens
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
        self.pending, self.sent = PendingAttachments(), {}
        self.last = self.retry = None

    def set(self, **options: Any) -> None:
        """Change options of the answers to come."""
        self.options = replace(self.options, **options)
