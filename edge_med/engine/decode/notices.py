"""What the user should know, as notices of answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from edge_med.answers import DISCLAIMER, Notice
from edge_med.documents import question_of
from edge_med.engine.decode.image_questions import points_at_an_image
from edge_med.engine.decode.short_questions import looks_at_something
from edge_med.messages import Message

LOOP = Notice("loop", "The answer repeated itself and was ended.")
CONTEXT_FULL = Notice("context_full", "The context is full, and the answer was cut off.")
EMPTY = Notice("empty", "The answer is empty: the model ended it before it wrote anything.")
RESEARCH = Notice("research_only", DISCLAIMER)
LIMITS = Notice(
    "single_image_single_turn",
    "MedGemma was tested mostly with one image and one question. Answers about several are less "
    "reliable.",
)
"""Source: the model card, under limitations."""
NO_IMAGE = Notice("no_image", "No image was shown: the answer isn't based on one.")

TOY = Notice(
    "toy",
    "This is a toy model, trained on drawings. It knows no medicine: its answers about real images "
    "or patients are meaningless.",
)

ALWAYS = frozenset({TOY.code})
"""Codes of the notices of every answer: a script may look at any of them alone."""


def beyond(tokens: int, trained: int | None) -> Iterator[Notice]:
    """The notice about a prompt that is longer than those that the model was trained with."""
    if trained is not None and tokens > trained:
        yield Notice(
            "beyond_context",
            f"The prompt has {tokens:,} tokens, and the model was trained with {trained:,} at "
            "most: what it makes of more can't be relied on.",
        )


def thought_ended(tokens: int) -> Notice:
    """The thought was closed in the model's place."""
    return Notice("thought_ended", f"The thought was ended after {tokens} tokens.")


def first_time(
    messages: Sequence[Message], of_model: Sequence[Notice], given: Collection[str]
) -> Iterator[Notice]:
    """The notices that come once for each loaded model, with the first answer that they concern.

    Args:
        messages: the conversation.
        of_model: notices about devices and the like, which come with any answer.
        given: codes of the notices that came before; whoever gives more adds their codes.
    """
    images = sum(len(message.pictures) for message in messages)
    turns = sum(message.role == "user" for message in messages)
    general = ((RESEARCH, True), (LIMITS, images > 1 or turns > 1))
    for notice, concerns in (*general, *((notice, True) for notice in of_model)):
        if concerns and notice.code not in given:
            yield notice


def no_image_shown(messages: Sequence[Message]) -> Iterator[Notice]:
    """The notice where a question speaks of an image, and the conversation has none.

    A report above the question may speak of those that it is about.
    """
    questions = [message for message in messages if message.role == "user"]
    if any(message.pictures for message in messages) or not questions:
        return
    text = questions[-1].text
    alone = question_of(text) == text and len(questions) == 1
    if points_at_an_image(question_of(text)) or (alone and looks_at_something(text)):
        yield NO_IMAGE
