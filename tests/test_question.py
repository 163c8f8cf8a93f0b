"""Calls take the keyword arguments that they show, and refuse others by their names."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_med import MedGemma, Options
from edge_med.errors import ImageError, UsageError
from edge_med.imaging import SliceBudget
from edge_med.question import composed
from tests.conftest import Models


@pytest.fixture
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("text", "F32"), context=64, threads=1) as loaded:
        yield loaded


@pytest.mark.parametrize("name", ["ask", "stream", "count", "messages", "question", "stream_async"])
def test_a_misspelt_argument_is_refused_by_its_name(name: str, tiny: MedGemma) -> None:
    with pytest.raises(TypeError, match="'imgae'; there are image, images, system, options"):
        getattr(tiny, name)("what is it", imgae="chest.png")


def test_how_an_image_is_opened_is_said_where_it_is(tiny: MedGemma) -> None:
    with pytest.raises(TypeError, match=r"image=edge_med\.imaging\.open\(path, series=…, side=mod"):
        tiny.ask("what is it", image="ct", series=2)  # type: ignore[call-arg]


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


class Rows:
    """An array of numpy's or torch's, as far as anybody looks."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.ndim = shape, len(shape)

    def __iter__(self) -> Iterator[Rows]:
        return iter([Rows(*self.shape[1:])] * self.shape[0])


@pytest.mark.parametrize("images", [np.zeros((20, 20, 3), np.uint8), Rows(20, 20), Rows(3, 9, 9)])
def test_one_array_is_no_list_of_images(images: Any, tiny: MedGemma) -> None:
    with pytest.raises(UsageError, match="one array of the shape") as caught:
        tiny.ask("what is it", images=images)
    assert "image=…" in caught.value.hint


@pytest.mark.parametrize("images", [bytearray(9), memoryview(b"x"), {"a": b"x"}, io.BytesIO()])
def test_what_is_no_list_is_refused_as_one(images: Any, tiny: MedGemma) -> None:
    with pytest.raises(UsageError, match="isn't a list"):
        tiny.ask("what is it", images=images)


@pytest.mark.parametrize("several", [np.zeros((2, 20, 20, 3), np.uint8), np.array(["a", "b"])])
def test_an_array_of_several_images_is_a_list_of_them(several: Any) -> None:
    with pytest.raises(ImageError, match="can't see"):
        composed(
            "what is it", {"images": several}, side=16, budget=lambda _: SliceBudget(), sees=False
        )
