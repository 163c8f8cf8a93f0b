"""Conversations in Hugging Face's form to the ids and the pictures of a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_med import errors
from edge_med.artifacts.chat_template import WORDS
from edge_med.compat import places
from edge_med.compat.arguments import PictureWarning, TemplateWarning, warn
from edge_med.compat.hub import Local
from edge_med.compat.tokens import END_OF_TURN, START_OF_TURN, Texts
from edge_med.documents import is_blank
from edge_med.engine.decode.notices import NO_IMAGE, no_image_shown
from edge_med.engine.prompt import written
from edge_med.errors import ImageError, PromptError, UsageError
from edge_med.imaging import Picture
from edge_med.message_forms import reader
from edge_med.messages import Message, TextPart, as_messages, check_named
from edge_med.question import no_question


def check_template(local: Local) -> None:
    """Refuse turns where transformers would, and warn where they may be wrong.

    Raises:
        PromptError: the model is a base model.
    """
    if local.turns == "none":
        raise PromptError(
            f"{local.name} has no chat template: it is a base model.",
            "Give it a text to continue, or copy the template from the model that was trained.",
        )
    if local.turns in WORDS:
        warn(f"{local.name}: {WORDS[local.turns][1]}", TemplateWarning)


@dataclass(frozen=True, slots=True)
class Turns:
    """A conversation, and where its prompt ends.

    Attributes:
        messages: the messages with their pictures.
        add_generation_prompt: whether the model's turn is opened at the end.
        continue_final_message: whether the last message stays open, to be continued, whoever's
            it is.

    Raises:
        UsageError: both are wanted.
        PromptError: the last message can't be continued.
    """

    messages: tuple[Message, ...]
    add_generation_prompt: bool = False
    continue_final_message: bool = False

    def __post_init__(self) -> None:
        if self.add_generation_prompt and self.continue_final_message:
            raise UsageError(
                "A prompt can't both continue the last message and open a new one.",
                "Choose add_generation_prompt or continue_final_message.",
            )
        if self.continue_final_message and not _ends_in_text(self.messages):
            raise PromptError(
                "Only a text can be continued, and the last message doesn't end in one.",
                "End it with a text, or leave out continue_final_message.",
            )

    @property
    def pictures(self) -> list[Picture]:
        """In order."""
        return [picture for message in self.messages for picture in message.pictures]

    def ids(self, texts: Texts, image_tokens: int) -> list[int]:
        """The prompt's ids, with so many tokens for an image.

        Raises:
            PromptError: the messages make no conversation.
        """
        ids = texts.prompt(self.messages, image_tokens)
        if not self._ends_open:
            return ids if self._cut is None else ids[: _last(ids, texts.id(self._cut))]
        return ids + texts.ids(self._after_answer)

    def text(self) -> str:
        """The prompt's text, `<start_of_image>` for an image.

        Raises:
            PromptError: the messages make no conversation.
        """
        text = written(self.messages)
        if not self._ends_open:
            return text if self._cut is None else text[: text.rindex(self._cut)]
        return text + self._after_answer

    @property
    def _ends_open(self) -> bool:
        """Whether the engine takes the last message for one to be continued."""
        return self.messages[-1].role == "assistant"

    @property
    def _cut(self) -> str | None:
        """The token before which a user's last turn ends; None if the model's stays opened."""
        if self.add_generation_prompt:
            return None
        return END_OF_TURN if self.continue_final_message else START_OF_TURN

    @property
    def _after_answer(self) -> str:
        """What closes a last answer, and opens the next."""
        if self.continue_final_message:
            return ""
        opened = f"{START_OF_TURN}model\n" if self.add_generation_prompt else ""
        return f"{END_OF_TURN}\n{opened}"


def _ends_in_text(messages: Sequence[Message]) -> bool:
    parts = messages[-1].parts
    return bool(parts) and isinstance(parts[-1], TextPart)


def _last(ids: Sequence[int], wanted: int | None) -> int:
    return max((place for place, token in enumerate(ids) if token == wanted), default=len(ids))


def read_messages(
    conversation: Any, local: Local, *, text_only: bool = False
) -> tuple[Message, ...]:
    """Messages in Hugging Face's form, their images stretched to the model's square as there.

    Args:
        conversation: the messages.
        local: the model that they are for.
        text_only: whether only their text is wanted; then an image's place needs no image.

    Raises:
        PromptError: the conversation has another form.
        ImageError: an image can't be read, as one that would have to be fetched, or the model can't
            see.
    """
    if not conversation or not all(isinstance(message, Mapping) for message in conversation):
        raise PromptError(
            "That isn't a conversation.", "Give messages: [{'role': 'user', 'content': …}, …]."
        )
    blank = Picture(np.zeros((local.side, local.side, 3), np.uint8), (1, 1), "stretch", ())
    shown = [blank] * places.count(conversation) if text_only else []
    messages = as_messages(conversation, images=shown, fit="stretch", side=local.side)
    if not local.sees and any(message.pictures for message in messages):
        raise blind(local)
    return messages


def tell_unseen(asked: str | Sequence[Message], local: Local) -> None:
    """Warn if what is asked speaks of an image, and none is shown to a model that sees.

    Args:
        asked: a conversation; or a text, of which the last turn of the user's counts, if any.
        local: the model.

    Raises:
        PromptError: a turn in a text names a file that is there, or the address of an image.
    """
    if isinstance(asked, str):
        _, turn, rest = asked.rpartition(f"{START_OF_TURN}user\n")
        asked = [Message("user", (TextPart(rest.partition(END_OF_TURN)[0]),))]
        check_named(asked if turn else ())
    if local.sees and any(no_image_shown(asked)):
        warn(NO_IMAGE.text, PictureWarning)


def check_asked(conversation: Any) -> None:
    """Refuse messages whose last question says and shows nothing; no image is opened.

    Raises:
        UsageError: it does, or there is none.
        PromptError: they have another form.
    """
    read = [reader.read(message) for message in conversation]
    last = [pieces for role, pieces in read if role == "user"][-1:]
    if not any(not isinstance(one, str) or not is_blank(one) for pieces in last for one in pieces):
        raise no_question()


def blind(local: Local) -> ImageError:
    """The error of a model without a projector that is shown an image."""
    return errors.blind(f"The model of '{local.name}'")
