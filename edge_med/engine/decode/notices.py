"""What the user should know, as notices of answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_med.answers import Notice
from edge_med.engine.engine import Engine
from edge_med.messages import Message

LOOP = Notice("loop", "The answer repeated itself and was ended.")
CONTEXT_FULL = Notice("context_full", "The context is full, and the answer was cut off.")
RESEARCH = Notice("research_only", "For research and education; never for diagnosis or treatment.")
LIMITS = Notice(
    "single_image_single_turn",
    "MedGemma was evaluated mainly on single images and single turns; "
    "be the more careful with several.",
)
"""Source: the model card, under limitations."""


def thought_ended(tokens: int) -> Notice:
    """The thought was closed in the model's place."""
    return Notice("thought_ended", f"The thought was ended after {tokens} tokens.")


def first_time(engine: Engine, messages: Sequence[Message]) -> Iterator[Notice]:
    """What is said once for each loaded model, with the first answer that it concerns.

    Whoever has given the answer adds the codes to `engine.told`. Those of devices come with any.
    """
    images = sum(len(message.pictures) for message in messages)
    turns = sum(message.role == "user" for message in messages)
    general = ((RESEARCH, True), (LIMITS, images > 1 or turns > 1))
    for notice, concerns in (*general, *((notice, True) for notice in engine.notices)):
        if concerns and notice.code not in engine.told:
            yield notice
