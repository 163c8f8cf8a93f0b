"""What Google has published of Gemma 3: numbers that a file of the same shape should have.

The window changes no tensor's shape, so that a file with another one opens and answers, and answers
worse: what lies outside isn't seen. Whoever trains a model further doesn't change it.

Sources: config.json of google/gemma-3-270m, -1b-it, -4b-it, -12b-it and -27b-it; MedGemma's are the
4B and the 27B.
"""

from __future__ import annotations

WINDOWS = {(18, 640): 512, (26, 1152): 512, (34, 2560): 1024, (48, 3840): 1024, (62, 5376): 1024}
"""Tokens that the window layers see, by the number of layers and the width."""


def window_words(layers: int | None, hidden: int | None, window: int | None) -> str | None:
    """What should be known of a window that isn't the published one; None of any other model."""
    published = WINDOWS.get((layers or 0, hidden or 0))
    if published is None or window == published:
        return None
    return (
        f"The sliding window of this file is {window} tokens, and Gemma 3 of {layers} layers has "
        f"{published}: its answers differ from those of the model that was trained."
    )
