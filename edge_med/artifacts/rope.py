"""Positions: the bases and the scaling of rotary embeddings, in every spelling of config.json.

transformers 4 has `rope_theta`, `rope_local_base_freq` and `rope_scaling`, which is for the global
layers; transformers 5 has `rope_parameters` with an object for each kind of layer; versions between
wrote `rope_parameters` flat, like a `rope_scaling`. A file may have several: they must agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from edge_med.artifacts.json_section import REFUSED, Section, short
from edge_med.errors import CheckpointError

GLOBAL, WINDOW = "full_attention", "sliding_attention"
_OBJECTS = ("rope_parameters", "rope_scaling")
T = TypeVar("T")

_KEYS = ("rope_type", "type", "rope_theta", "factor")
THETA, THETA_WINDOW = 1_000_000.0, 10_000.0
"""transformers' defaults (configuration_gemma3.py)."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """What one place of config.json says of a kind of layer; None for what it doesn't say."""

    where: str
    theta: float | None = None
    scaling: tuple[str, float] | None = None


def read_rope(text: Section) -> tuple[float, float, float | None]:
    """The base of the global layers, that of the window layers, and the global layers' factor.

    Raises:
        CheckpointError: a setting isn't known or can't be honoured, or two contradict each other.
    """
    settings = list(_settings(text, GLOBAL, "rope_theta"))
    window = list(_settings(text, WINDOW, "rope_local_base_freq"))
    theta = _agreed([(one.where, one.theta) for one in settings], THETA)
    theta_window = _agreed([(one.where, one.theta) for one in window], THETA_WINDOW)
    if any(one.scaling and one.scaling[0] != "default" for one in window):
        raise CheckpointError("The window layers' rope in config.json is scaled.", REFUSED)
    kind, factor = _agreed([(one.where, one.scaling) for one in settings], ("default", 1.0))
    return theta, theta_window, None if kind == "default" else factor


def _settings(text: Section, layers: str, theta_key: str) -> Iterator[_Setting]:
    if text.get(theta_key) is not None:
        yield _Setting(theta_key, theta=text.number(theta_key, 1.0))
    for key in _OBJECTS:
        whole = text.section(key)
        if whole is None:
            continue
        whole.known(GLOBAL, WINDOW, *_KEYS)
        if (inner := whole.section(layers)) is not None:
            inner.known(*_KEYS)
            yield _read(f"{key}.{layers}", inner)
        if layers == GLOBAL and any(whole.get(name) is not None for name in _KEYS):
            yield _read(key, whole)


def _read(where: str, rope: Section) -> _Setting:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ("default", "linear"):
        raise CheckpointError(f"rope_type in config.json is {short(kind)}.", REFUSED)
    theta = None if rope.get("rope_theta") is None else rope.number("rope_theta", 1.0)
    return _Setting(where, theta, (kind, rope.number("factor", 1.0) if kind == "linear" else 1.0))


def _agreed(settings: list[tuple[str, T | None]], default: T) -> T:
    """The one value that several places give."""
    found = [(where, value) for where, value in settings if value is not None]
    for where, value in found[1:]:
        if value != found[0][1]:
            raise CheckpointError(
                f"config.json contradicts itself: {found[0][0]} is {_words(found[0][1])}, and "
                f"{where} is {_words(value)}.",
                "Leave one of the two in config.json: that with which the model was trained.",
            )
    return found[0][1] if found else default


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return "not scaled" if value[0] == "default" else f"{value[0]}, factor {value[1]:g}"
    return f"{value:g}"
