"""Calls take the keyword arguments that they show, and refuse others by their names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from edge_med import MedGemma, Options
from tests.conftest import Models


@pytest.fixture
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("text", "F32"), context=64, threads=1) as loaded:
        yield loaded


@pytest.mark.parametrize("name", ["ask", "stream", "count", "messages", "question", "stream_async"])
def test_a_misspelt_argument_is_refused_by_its_name(name: str, tiny: MedGemma) -> None:
    with pytest.raises(TypeError, match="'imgae'; there are image, images, system, options"):
        getattr(tiny, name)("what is it", imgae="chest.png")


def test_what_a_score_has_not_got_is_refused_too(tiny: MedGemma) -> None:
    with pytest.raises(TypeError, match="'options'; there are image, images, system"):
        tiny.score("x", "y", options=Options())  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["contxt", "batch", "copies"])
def test_load_takes_what_it_names_and_nothing_else(name: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        MedGemma.load("x", **{name: 1})  # type: ignore[arg-type]


def test_help_shows_every_argument_with_its_default() -> None:
    shown = inspect.signature(MedGemma.load).parameters
    assert shown["context"].default == 8192
    assert shown["kv"].default == "f16"
    given = list(inspect.signature(MedGemma.ask).parameters)[2:]
    assert set(given) == {"image", "images", "system", "options"}
