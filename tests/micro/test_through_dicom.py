"""Micro answers about a phantom's DICOM as about its PNG, and boxes land in the DICOM's pixels.

The PNG is made of the same numbers by Google's recipe, written down a second time in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.images.dicom import x_ray
from devtools.images.photos import saved
from devtools.micro.dicom import FORMS, LOSSLESS, LOSSY, cut, stored, write
from devtools.micro.questions import answer
from edge_med import MedGemma, Options, imaging
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import SIDE, Phantom, phantom, where
from edge_med.imaging import Picture, boxes

SEED = 123_000
"""Training's phantoms begin at a million, the exam's end at 200,000 less; these are between."""

SAMPLE, ALL = 8, 60
"""Phantoms by default, and in the long test."""

RIGHT, LESS, ALIKE = 0.9, 0.05, 0.95
"""Share right through DICOM, how much less than as arrays, and answers that are those of PNGs."""

OVERLAP, LANDED = 0.5, 0.8
"""Intersection over union from which a box has landed, and the share of those that have."""

SIDE_STORED = 512

Opened = Callable[[int, str], Picture]


@pytest.fixture(scope="module")
def model(micro: Path) -> Iterator[MedGemma]:
    with MedGemma.load(micro / "micro-Q8_0.gguf", context=1024, threads=1) as opened:
        yield opened


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A phantom as DICOM, as micro sees it."""
    forms = FORMS | LOSSLESS | LOSSY

    def get(seed: int, name: str) -> Picture:
        path = tmp_path / f"{seed}-{name}.dcm"
        write(seed, forms[name], path, SIDE_STORED)
        return imaging.open(path, side=SIDE)

    return get


def as_png(seed: int, name: str) -> Picture:
    """The same numbers by the recipe, as PNG."""
    form = (FORMS | LOSSLESS | LOSSY)[name]
    grey = x_ray(stored(seed, form, SIDE_STORED), inverted=form.inverted)
    return imaging.open(saved(Image.fromarray(grey), "PNG"), side=SIDE)


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
@pytest.mark.parametrize("name", FORMS | LOSSLESS)
def test_what_loses_nothing_is_the_same_picture_as_png(
    name: str, seed: int, opened: Opened
) -> None:
    assert opened(seed, name).sha256 == as_png(seed, name).sha256


@pytest.mark.parametrize("name", LOSSY)
def test_what_loses_something_is_nearly_the_same(name: str, opened: Opened) -> None:
    ours, png = (picture.pixels.astype(int) for picture in (opened(SEED, name), as_png(SEED, name)))
    assert 0 < np.abs(ours - png).mean() < 1
    assert np.abs(ours - png).max() < 8


def describe(model: MedGemma, image: Any) -> str:
    options = Options(max_new_tokens=64)
    return model.ask("Describe this X-ray", image=image, options=options).text.strip()


def shares(model: MedGemma, opened: Opened, name: str, count: int) -> tuple[float, float, float]:
    """Right as arrays, right through DICOM, and answered as their PNGs."""
    rows = []
    for seed in range(SEED, SEED + count):
        true = answer("describe", "", phantom(seed))
        grey = cut(pixels(phantom(seed), SIDE_STORED), phantom(seed).frame)
        array, dicom, png = (
            describe(model, image) for image in (grey, opened(seed, name), as_png(seed, name))
        )
        rows.append((array == true, dicom == true, dicom == png))
    found = np.mean(rows, axis=0)
    return float(found[0]), float(found[1]), float(found[2])


@pytest.mark.parametrize("name", ["12-bit", "16-bit-monochrome1", "jpeg-baseline"])
def test_a_sample_is_described_as_through_png(name: str, model: MedGemma, opened: Opened) -> None:
    _, right, alike = shares(model, opened, name, SAMPLE)
    assert right >= 0.7  # eight phantoms tell no more; the long test has the bar
    assert alike == 1


@pytest.mark.long
@pytest.mark.parametrize("name", FORMS | LOSSLESS | LOSSY)
def test_the_phantoms_are_described_right_as_through_png(
    name: str, model: MedGemma, opened: Opened
) -> None:
    array, dicom, alike = shares(model, opened, name, ALL)
    print(f"{name}: right as arrays {array:.3f}, as DICOM {dicom:.3f}; as their PNGs {alike:.3f}")
    assert dicom >= max(RIGHT, array - LESS)
    assert alike >= (ALIKE if name in LOSSY else 1)


def located(model: MedGemma, picture: Picture, what: str) -> tuple[float, ...] | None:
    """Where micro sees a structure, in the original's pixels: x0, y0, x1, y1."""
    options = Options(max_new_tokens=64)
    said = model.ask(f"Where is the {what}?", image=picture, options=options).text
    found = boxes.parse(said).boxes
    if len(found) != 1:
        return None
    box = boxes.place(found[0], picture)
    return box.x0, box.y0, box.x1, box.y1


def true_box(drawn: Phantom, what: str) -> tuple[float, ...] | None:
    """Where it is drawn in the DICOM's pixels, which has no bars."""
    place = where(drawn, what)
    if place is None:
        return None
    across, down = (round(SIDE_STORED * (1 - share) / 2) for share in drawn.frame)
    y0, x0, y1, x1 = (SIDE_STORED * share for share in place)
    return x0 - across, y0 - down, x1 - across, y1 - down


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return width * height / (areas - width * height)


def overlaps(model: MedGemma, opened: Opened, name: str, count: int) -> list[float]:
    """Of the boxes of hearts and findings."""
    found = []
    for seed in range(SEED, SEED + count):
        drawn = phantom(seed)
        picture = opened(seed, name)
        for what in ("heart", "effusion", "pneumothorax", "opacity"):
            if true := true_box(drawn, what):
                box = located(model, picture, what)
                found.append(overlap(true, box) if box else 0.0)
    return found


def test_the_sample_has_originals_that_arent_square(opened: Opened) -> None:
    sizes = [opened(seed, "12-bit").original_size for seed in range(SEED, SEED + SAMPLE)]
    assert any(width != height for width, height in sizes)


def test_boxes_land_on_the_finding_in_the_dicoms_pixels(model: MedGemma, opened: Opened) -> None:
    found = overlaps(model, opened, "12-bit-monochrome1", SAMPLE)
    assert np.mean([share >= OVERLAP for share in found]) >= LANDED


@pytest.mark.long
def test_all_boxes_land_on_the_finding_in_the_dicoms_pixels(
    model: MedGemma, opened: Opened
) -> None:
    found = overlaps(model, opened, "12-bit-monochrome1", ALL)
    landed = float(np.mean([share >= OVERLAP for share in found]))
    print(f"{len(found)} boxes: {landed:.3f} landed, mean overlap {np.mean(found):.3f}")
    assert landed >= LANDED
    assert np.mean(found) >= 0.6
