"""A picture is a value: it can't be changed, can be compared, and goes through queues."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.images.photos import FILES, drawn, saved, scene
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import Picture


@pytest.fixture
def picture() -> Picture:
    return imaging.open(scene(30, 20), side=32)


def test_its_pixels_are_rgb_bytes_row_by_row(picture: Picture) -> None:
    assert picture.pixels.shape == (32, 32, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous


def test_its_pixels_cannot_be_written(picture: Picture) -> None:
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0, 0] = 1


def test_it_keeps_its_pixels_when_the_array_it_came_from_changes() -> None:
    pixels = scene(32, 32)
    picture = Picture(pixels, (32, 32), "pad", ())
    pixels[:] = 0
    assert picture == imaging.open(scene(32, 32), side=32)


def test_what_it_was_made_of_is_not_changed() -> None:
    pixels = scene(32, 20)
    image = drawn("RGBA")
    imaging.open(pixels), imaging.open(image)
    assert pixels.flags.writeable
    assert np.array_equal(pixels, scene(32, 20))
    assert image.tobytes() == drawn("RGBA").tobytes()


def test_it_goes_through_a_queue_whole(picture: Picture) -> None:
    arrived = ForkingPickler.loads(ForkingPickler.dumps(picture))
    assert arrived == picture
    assert arrived.provenance == picture.provenance
    assert np.array_equal(arrived.pixels, picture.pixels)
    assert not arrived.pixels.flags.writeable


def test_it_is_returned_as_it_is(picture: Picture) -> None:
    assert imaging.open(picture, fit="stretch", side=7) is picture


def test_the_same_pixels_are_equal_whatever_file_they_come_from() -> None:
    pictures = {imaging.open(FILES[name]) for name in ("PNG RGB", "BMP RGB", "TIFF RGB, LZW")}
    assert len(pictures) == 1


def test_one_changed_pixel_makes_another_picture() -> None:
    pixels = scene(896, 896)
    pixels[700, 30, 2] ^= 1
    changed = imaging.open(pixels)
    assert changed.sha256 != imaging.open(scene(896, 896)).sha256
    assert changed != imaging.open(scene(896, 896))


def test_picture_equality_includes_the_original_size() -> None:
    small, large = (imaging.open(np.zeros((n, n), np.uint8), side=8) for n in (10, 20))
    assert small.sha256 == large.sha256
    assert small != large


def test_its_name_is_the_hash_of_its_pixels(picture: Picture) -> None:
    assert picture.sha256 == hashlib.sha256(picture.pixels.tobytes()).hexdigest()


def test_a_copy_with_another_provenance_keeps_its_name(picture: Picture) -> None:
    assert dataclasses.replace(picture, provenance=("transcript",)).sha256 == picture.sha256


def test_its_repr_holds_no_pixels(picture: Picture) -> None:
    assert len(repr(picture)) < 200


def sources(folder: Path) -> dict[str, Any]:
    """The same picture in every form that is taken."""
    data = saved(drawn("RGB"), "PNG")
    path = folder / "picture.jpg"  # its name plays no part
    path.write_bytes(data)
    return {
        "path": path,
        "text": str(path),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "Pillow": drawn("RGB"),
        "Pillow, not loaded yet": Image.open(io.BytesIO(data)),
        "array": np.asarray(drawn("RGB")),
        "array, not contiguous": np.asarray(drawn("RGB")).transpose(1, 0, 2).copy().swapaxes(0, 1),
        "array of RGBA": np.asarray(drawn("RGB").convert("RGBA")),
    }


def test_every_form_of_a_picture_is_taken(tmp_path: Path) -> None:
    pictures = {imaging.open(source) for source in sources(tmp_path).values()}
    assert len(pictures) == 1


def test_grey_arrays_may_have_a_channel_or_none() -> None:
    grey = scene(9, 7)[:, :, 1]
    assert imaging.open(grey) == imaging.open(grey[:, :, None]) == imaging.open(drawn_grey(grey))


def drawn_grey(grey: imaging.Pixels) -> Image.Image:
    return Image.fromarray(grey)


@pytest.mark.parametrize("source", [None, 7, 1.5, ["a.png"], {"path": "a.png"}])
def test_what_is_no_image_is_refused_by_its_type(source: Any) -> None:
    with pytest.raises(ImageError, match=f"type {type(source).__name__} "):
        imaging.open(source)


SECRET = "Jane-Doe-1970-01-01"


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "no image", "NUL", "too long"])
def test_an_error_never_names_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / SECRET
    if kind == "folder":
        path.mkdir()
    if kind in ("empty", "no image"):
        path.write_bytes(SECRET.encode() if kind == "no image" else b"")
    name = {"NUL": f"{path}\0", "too long": f"{path}{'x' * 5000}"}.get(kind, str(path))
    with pytest.raises(ImageError) as caught:
        imaging.open(name)
    assert "Doe" not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="isn't a file"):
        imaging.open(tmp_path / "pipe")
