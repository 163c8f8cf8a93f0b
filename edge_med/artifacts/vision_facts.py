"""What a projector makes of an image: the square that it sees, and the tokens that it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from edge_med.artifacts.gguf import Header

MEDGEMMA_SIDE = 896
"""Side of MedGemma's square, in pixels (its preprocessor_config.json)."""

IMAGE_TOKENS = 256
"""Tokens that an image takes in MedGemma's prompts (`mm_tokens_per_image` of its config.json)."""


@dataclass(frozen=True, slots=True)
class VisionFacts:
    """What images become; MedGemma's numbers without a projector, and where one says nothing.

    Pictures for a model without a projector are fitted as well: whatever reads the prompt refuses
    them.

    Attributes:
        side: side of the square that images are fitted to, in pixels.
        tokens: number of tokens that an image takes.
    """

    side: int = MEDGEMMA_SIDE
    tokens: int = IMAGE_TOKENS

    @classmethod
    def known(cls, side: int | None, tokens: int | None) -> Self:
        """The facts, of which some may not be known."""
        return cls(side or MEDGEMMA_SIDE, tokens or IMAGE_TOKENS)


def vision_facts(projector: Header | None) -> VisionFacts:
    """What a projector says of itself in its header."""
    if projector is None:
        return VisionFacts()
    return VisionFacts.known(image_size(projector), image_tokens(projector))


def image_size(projector: Header) -> int | None:
    """Side of the square that a projector sees, in pixels; None if it doesn't say."""
    return projector.integer("clip.vision.image_size")


def image_tokens(projector: Header) -> int | None:
    """How many tokens an image takes: the patches of one side, pooled and squared."""
    size = image_size(projector)
    patch = projector.integer("clip.vision.patch_size")
    if not size or not patch:
        return None
    # 4 is what llama.cpp pools when the key is missing (clip.cpp, PROJECTOR_TYPE_GEMMA3).
    pool = projector.integer("clip.vision.projector.scale_factor") or 4
    return (size // patch // pool) ** 2
