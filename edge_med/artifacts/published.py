"""What Google has published of Gemma 3: numbers that a file of the same shape should have.

They change no tensor's shape, so that a file with others opens and answers, and answers worse: what
lies outside of its window isn't seen, and positions are read as others. Whoever trains a model
further doesn't change them.

Sources: config.json of google/gemma-3-270m, -1b-it, -4b-it, -12b-it and -27b-it; MedGemma's are the
4B and the 27B.
"""

from __future__ import annotations

from edge_med.artifacts.hparams import TextParams

WINDOWS = {(18, 640): 512, (26, 1152): 512, (34, 2560): 1024, (48, 3840): 1024, (62, 5376): 1024}
"""Tokens that the window layers see, by the number of layers and the width."""

_FACTOR = 8.0
"""By which the positions of the global layers are divided where the window is the larger one."""

_SAME: dict[str, float | None] = {
    "rope_theta": 1_000_000.0,
    "rope_theta_window": 10_000.0,
    "epsilon": 1e-6,
    "softcap": None,
}
"""What all of them share."""

_CALLED = {
    "window": "sliding_window",
    "rope_factor": "the factor of rope_scaling",
    "rope_theta_window": "rope_local_base_freq",
    "epsilon": "rms_norm_eps",
    "softcap": "final_logit_softcapping",
}
"""Names in config.json, where they are others."""


def config_words(params: TextParams) -> str | None:
    """What should be known of a config.json with other numbers; None of any other model."""
    window = WINDOWS.get((params.layers, params.hidden))
    if window is None:
        return None
    factor = _FACTOR if window == max(WINDOWS.values()) else None
    published = {"window": window, "rope_factor": factor, **_SAME}
    found = {name: getattr(params, name) for name in published}
    differ = [
        f"{_CALLED.get(name, name)} {_number(found[name])}, there {_number(value)}"
        for name, value in published.items()
        if found[name] != value
    ]
    if not differ:
        return None
    return (
        f"config.json differs from the published Gemma 3 of {params.layers} layers: "
        f"{'; '.join(differ)}. No tensor shows which is right: if the model wasn't trained so, its "
        "answers are worse."
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def window_words(layers: int | None, hidden: int | None, window: int | None) -> str | None:
    """What should be known of a window that isn't the published one; None of any other model."""
    published = WINDOWS.get((layers or 0, hidden or 0))
    if published is None or window == published:
        return None
    own = "not given" if window is None else f"{window} tokens"
    return (
        f"The sliding window of this file is {own}, and Gemma 3 of {layers} layers has "
        f"{published}: its answers differ from those of the model that was trained."
    )
