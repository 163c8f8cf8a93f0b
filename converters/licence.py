"""Which terms a checkpoint comes under, and the notice that its GGUF files must carry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of the weights: a name, what gives them away in a checkpoint, and their notice."""

    name: str
    marks: tuple[str, ...]
    notice: str


LICENCES = (
    Licence(
        "health-ai-developer-foundations",
        ("health-ai-developer-foundations", "medgemma"),
        # The sentence that section 3.1 of the terms (15 November 2024) asks for.
        "HAI-DEF is provided under and subject to the Health AI Developer Foundations Terms of Use "
        "found at https://developers.google.com/health-ai-developer-foundations/terms",
    ),
    Licence(
        "gemma",
        ("gemma",),
        # The sentence that section 3.1 of the Gemma Terms of Use asks for.
        "Gemma is provided under and subject to the Gemma Terms of Use found at "
        "ai.google.dev/gemma/terms",
    ),
)

UNKNOWN = Licence("", (), "The terms of the original model apply.")
MODIFIED = (
    "This file is modified from the original: converted and quantized by edge-med "
    "{version}{merged}."
)


def find_licence(evidence: Iterable[str]) -> Licence:
    """The terms that the texts of a checkpoint point to; the stricter ones win.

    Args:
        evidence: names of the model in the model card, the folder's name and the user's words.
    """
    texts = [text.lower() for text in evidence]
    for licence in LICENCES:
        if any(mark in text for mark in licence.marks for text in texts):
            return licence
    return UNKNOWN


def adapter_notice(licence: Licence, version: str, name: str) -> str:
    """What the file of an adapter says of itself."""
    return f"This adapter is converted by edge-med {version} from {name}. {licence.notice}"


def notice(licence: Licence, version: str, adapters: Sequence[str] = ()) -> str:
    """What every file made from the checkpoint says of itself."""
    merged = f", with {' and '.join(adapters)} merged into it" if adapters else ""
    return f"{MODIFIED.format(version=version, merged=merged)} {licence.notice}"
