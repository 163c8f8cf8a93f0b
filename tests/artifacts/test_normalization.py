"""An image processor's settings become a mean and a deviation, or are refused by their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med.artifacts.normalization import check_size, read_normalization
from edge_med.errors import CheckpointError

GEMMA: dict[str, Any] = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "do_convert_rgb": None,
    "do_pan_and_scan": None,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
}
"""As in Google's preprocessor_config.json."""


def processed(grey: int, settings: dict[str, Any]) -> float:
    """What transformers makes of a grey: rescaled, then normalized, in float64."""
    value = grey * settings["rescale_factor"] if settings["do_rescale"] else float(grey)
    if not settings["do_normalize"]:
        return value
    return float((value - settings["image_mean"][0]) / settings["image_std"][0])


def test_gemmas_own_settings_are_its_mean_and_deviation() -> None:
    assert read_normalization(GEMMA) == ((0.5,) * 3, (0.5,) * 3)


@given(
    grey=st.integers(0, 255),
    rescale=st.booleans(),
    normalize=st.booleans(),
    factor=st.sampled_from([1 / 255, 1 / 127.5, 1.0]),
    mean=st.sampled_from([0.0, 0.485, -1.0]),
    deviation=st.sampled_from([0.229, 0.5, 2.0]),
)
def test_every_grey_becomes_what_transformers_makes_of_it(
    grey: int, rescale: bool, normalize: bool, factor: float, mean: float, deviation: float
) -> None:
    settings = GEMMA | {
        "do_rescale": rescale,
        "do_normalize": normalize,
        "rescale_factor": factor,
        "image_mean": [mean] * 3,
        "image_std": [deviation] * 3,
    }
    means, deviations = read_normalization(settings)
    ours = (grey / 255 - means[0]) / deviations[0]
    assert np.isclose(ours, processed(grey, settings), rtol=1e-6, atol=1e-6)


REFUSED: dict[str, Any] = {
    "do_pan_and_scan": True,
    "do_resize": False,
    "do_center_crop": True,
    "resample": 3,
    "rescale_factor": 0,
    "image_mean": [0.5],
    "image_std": [0.5, 0.5, 0.0],
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_isnt_gemmas_is_refused_by_its_name(key: str) -> None:
    with pytest.raises(CheckpointError, match=key):
        read_normalization(GEMMA | {key: REFUSED[key]})


SIZES: list[Any] = [
    {"height": 224, "width": 224},
    224,
    {"shortest_edge": 896},
    {"height": 896, "width": 896, "longest_edge": 896},
    {"height": 896},
    "896",
]


@pytest.mark.parametrize("kind", ["Gemma3ImageProcessor", "Gemma3ImageProcessorFast", None])
def test_gemmas_processors_are_known_by_their_names(kind: str | None) -> None:
    read_normalization(GEMMA | {"image_processor_type": kind, "resample": None})


@pytest.mark.parametrize(
    ("kind", "resample"),
    [("SiglipImageProcessor", None), ("SiglipImageProcessor", 3), ("CLIPImageProcessor", 2)],
)
def test_a_processor_that_makes_other_pictures_is_refused(kind: str, resample: int | None) -> None:
    with pytest.raises(CheckpointError, match=r"image_processor_type|resample"):
        read_normalization(GEMMA | {"image_processor_type": kind, "resample": resample})


def test_a_processor_that_makes_the_same_pictures_is_taken() -> None:
    read_normalization(GEMMA | {"image_processor_type": "SiglipImageProcessor"})


@pytest.mark.parametrize("size", SIZES)
def test_a_size_must_be_the_vision_towers(size: object) -> None:
    check_size({"size": {"height": 896, "width": 896}}, 896)
    check_size({}, 896)
    with pytest.raises(CheckpointError, match="size of the image processor"):
        check_size({"size": size}, 896)
