"""Boxes are drawn on the original, and the file with them is private, whole, and a new one."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devtools.images.photos import scene
from edge_med import _platform, imaging
from edge_med.errors import EdgeMedError, ImageError, InputError, UsageError
from edge_med.imaging.boxes import Box, PixelBox, draw, place, save

NUMBERS = st.floats(0, 1)
BOXES = st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
HEART = PixelBox("heart", 10, 20, 30, 40)


def thousandths(x: float, y: float, size: tuple[int, int], fit: str) -> tuple[float, float]:
    """Where a point of the original lies in the model's square, by the definition of the fits."""
    side = max(size)
    whole = (side, side) if fit == "pad" else size
    left, top = ((side - size[0]) // 2, (side - size[1]) // 2) if fit == "pad" else (0, 0)
    return 1000 * (x + left) / whole[0], 1000 * (y + top) / whole[1]


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    fit=st.sampled_from(tuple(imaging.FITS)),
    shares=BOXES,
)
def test_a_box_comes_back_within_a_pixel(
    width: int, height: int, fit: imaging.Fit, shares: tuple[float, float, float, float]
) -> None:
    size = (width, height)
    x0, x1 = sorted(share * width for share in shares[:2])
    y0, y1 = sorted(share * height for share in shares[2:])
    (left, top), (right, bottom) = (thousandths(x, y, size, fit) for x, y in ((x0, y0), (x1, y1)))
    picture = imaging.Picture(np.zeros((1, 1, 3), np.uint8), size, fit, ())
    found = place(Box("heart", (top, left, bottom, right)), picture)
    assert found.label == "heart"
    assert np.abs(np.subtract((found.x0, found.y0, found.x1, found.y1), (x0, y0, x1, y1))).max() < 1


def test_only_the_boxes_edges_and_label_are_painted() -> None:
    before = Image.new("L", (300, 300), 128)
    after = np.asarray(draw(before, [PixelBox("heart", 100, 100, 200, 180)]))
    painted = (after != 128).any(axis=2)
    assert painted[100, 100:200].all()
    assert painted[179, 100:200].all()
    assert painted[100:180, 100].all()
    assert painted[100:180, 199].all()
    assert not painted[110:170, 110:190].any()
    rows, columns = np.nonzero(painted)
    assert (rows.max(), columns.min(), columns.max()) == (179, 100, 199)
    assert before.getpixel((100, 100)) == 128


@given(boxes=st.lists(BOXES, max_size=3), width=st.integers(1, 60), height=st.integers(1, 60))
def test_boxes_of_any_size_can_be_drawn(
    boxes: list[tuple[float, float, float, float]], width: int, height: int
) -> None:
    placed = [
        PixelBox("a label\n\x1b[2J", x0 * width, y0 * height, x1 * width, y1 * height)
        for x0, y0, x1, y1 in boxes
    ]
    assert draw(Image.new("RGB", (width, height)), placed).size == (width, height)


def test_a_colour_is_seen_on_every_grey() -> None:
    for grey in (0, 128, 255):
        after = np.asarray(draw(Image.new("L", (300, 300), grey), [PixelBox("", 50, 50, 250, 250)]))
        luminance = after[50, 150].astype(float) @ (0.299, 0.587, 0.114)
        dark = after[50:60, 150].min()
        assert max(abs(luminance - grey), abs(float(dark) - grey)) > 60


def test_the_original_is_turned_upright_and_none_of_its_tags_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274], exif[0x010E] = 6, "Jane Doe"
    Image.new("RGB", (60, 40), "grey").save(tmp_path / "in.jpg", exif=exif, comment=b"Jane Doe")
    save(tmp_path / "in.jpg", [HEART], tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert (written.size, written.format, written.mode) == ((40, 60), "PNG", "RGB")
        assert written.info == {}
    assert b"Jane" not in (tmp_path / "out.png").read_bytes()


def test_16_bits_are_scaled_as_for_the_model(tmp_path: Path) -> None:
    levels = np.arange(2400, dtype=np.uint16).reshape(40, 60)
    save(levels, [], tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as written:
        assert written.getpixel((0, 20)) == (128, 128, 128)


@pytest.mark.skipif(sys.platform == "win32", reason="rights come from the folder there")
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    save(scene(60, 40), [HEART], tmp_path / "out.png")
    assert stat.S_IMODE((tmp_path / "out.png").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="already"):
        save(scene(60, 40), [HEART], path)
    assert path.read_bytes() == b"mine"
    save(scene(60, 40), [HEART], path, force=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_original_is_never_replaced(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "chest.png")
    before = (tmp_path / "chest.png").read_bytes()
    with pytest.raises(UsageError, match="never replaced"):
        save(tmp_path / "chest.png", [HEART], tmp_path / "." / "chest.png", force=True)
    assert (tmp_path / "chest.png").read_bytes() == before


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_platform, "sync_file", full)
    with pytest.raises(InputError, match="No space left"):
        save(scene(60, 40), [HEART], tmp_path / "out.png")
    assert list(tmp_path.iterdir()) == []


def refused(source: object, path: Path) -> EdgeMedError:
    with pytest.raises(EdgeMedError) as error:
        save(source, [HEART], path)  # type: ignore[arg-type]
    return error.value


def test_what_is_refused_is_told_without_the_pictures_name(tmp_path: Path) -> None:
    (tmp_path / "doe_jane.png").write_bytes(b"no picture")
    cases = (
        (tmp_path / "doe_jane.png", tmp_path / "out.png", ImageError),
        (tmp_path / "doe_john.png", tmp_path / "out.png", ImageError),
        (scene(60, 40), tmp_path / "doe_jane.jpg", UsageError),
        (scene(60, 40), tmp_path / "no folder" / "doe_jane.png", InputError),
        (imaging.open(scene(60, 40)), tmp_path / "out.png", ImageError),
    )
    for source, path, kind in cases:
        error = refused(source, path)
        assert type(error) is kind
        assert "doe" not in f"{error.message} {error.hint}"
