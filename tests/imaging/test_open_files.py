"""Images as open files, and what is no file at all."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import quote

import numpy as np
import pytest

from devtools.images.photos import scene
from edge_med import ImageError, imaging
from edge_med.imaging.boxes import save


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    path.write_bytes(imaging.open(scene(30, 20), side=32).png())
    return path


def spooled(path: Path) -> IO[bytes]:
    """What web frameworks put an upload into."""
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - the test closes it
    file.write(path.read_bytes())
    return file


KINDS: dict[str, Callable[[Path], IO[bytes]]] = {
    "file": lambda path: path.open("rb"),
    "bytes": lambda path: io.BytesIO(path.read_bytes()),
    "upload": spooled,
}


@pytest.mark.parametrize("opened", KINDS.values(), ids=KINDS)
def test_an_open_file_is_the_picture_that_is_in_it(
    opened: Callable[[Path], IO[bytes]], png: Path
) -> None:
    with opened(png) as file:
        assert imaging.open(file, side=32) == imaging.open(png, side=32)


def test_a_file_is_read_from_its_beginning_each_time(png: Path) -> None:
    file = io.BytesIO(png.read_bytes())
    assert imaging.open(file, side=32) == imaging.open(file, side=32)


def test_what_cannot_go_back_is_read_on(png: Path) -> None:
    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.file = io.BytesIO(png.read_bytes())

        def read(self, size: int = -1) -> bytes:
            return self.file.read(size)

    assert imaging.open(Stream(), side=32) == imaging.open(png, side=32)


def test_boxes_are_drawn_on_an_open_file(png: Path, tmp_path: Path) -> None:
    save(io.BytesIO(png.read_bytes()), [], tmp_path / "boxes.png")
    assert np.array_equal(
        imaging.open(tmp_path / "boxes.png", side=32).pixels, imaging.open(png, side=32).pixels
    )


def test_a_file_of_text_is_refused(png: Path) -> None:
    with pytest.raises(ImageError, match="doesn't give bytes") as caught:
        imaging.open(io.StringIO("x"))  # type: ignore[call-overload]
    assert "rb" in caught.value.hint


def test_a_closed_file_is_refused(png: Path) -> None:
    file = png.open("rb")
    file.close()
    with pytest.raises(ImageError, match="its file is closed"):
        imaging.open(file)


@pytest.mark.parametrize("mode", ["wb", "ab", "xb"])
def test_a_file_that_is_open_for_writing_is_refused_for_that(mode: str, tmp_path: Path) -> None:
    with (
        (tmp_path / "new.png").open(mode) as file,
        pytest.raises(ImageError, match="isn't open for reading") as caught,
    ):
        imaging.open(file)
    assert "rb" in caught.value.hint


def test_a_file_of_asyncio_is_refused_with_the_way_out() -> None:
    class Upload:
        async def read(self, size: int = -1) -> bytes:
            raise AssertionError

    with pytest.raises(ImageError, match="asyncio") as caught:
        imaging.open(Upload())  # type: ignore[call-overload]
    assert ".file" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "message", "hint"),
    [
        ("https://example.org/a.png", "https: address", "Save it"),
        ("s3://bucket/a.png", "s3: address", "Save it"),
        (Path("https://example.org/a.png"), "https: address", "Save it"),
        (Path("data:image/png;base64,AAAA"), "URL in a Path", "as a text"),
        ("file://server/share/a.png", "file: address", "Save it"),
        ("data:image/png;base64,AAAA!", "isn't base64", "b64encode"),
        ("data:image/png;base64," + "A" * 100_001, "isn't base64", "b64encode"),
    ],
)
def test_an_address_is_refused_for_what_it_is(address: str | Path, message: str, hint: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        imaging.open(address)
    assert hint in caught.value.hint
    assert "AAAA" not in caught.value.message


ENCODED: dict[str, Callable[[bytes], str]] = {
    "a data: URL": lambda data: f"data:image/png;base64,{base64.b64encode(data).decode()}",
    "one without a type": lambda data: f"data:;base64,{base64.b64encode(data).decode()}",
    "one with escapes": lambda data: "data:image/png," + "".join(f"%{byte:02X}" for byte in data),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "base64 for URLs": lambda data: base64.urlsafe_b64encode(data).decode(),
    "base64 without its end": lambda data: base64.b64encode(data).decode().rstrip("="),
}


@pytest.mark.parametrize("encoded", ENCODED.values(), ids=ENCODED)
def test_an_image_as_letters_is_the_picture_that_is_in_them(
    encoded: Callable[[bytes], str], png: Path
) -> None:
    assert imaging.open(encoded(png.read_bytes()), side=32) == imaging.open(png, side=32)


def test_a_file_url_is_the_path_that_it_names(png: Path) -> None:
    png = png.rename(png.with_name("chest 1 ü.png"))
    quoted = quote(str(png))
    for url in (f"file://{quoted}", f"file://localhost{quoted}", f"FILE:{quoted}"):
        assert imaging.open(url, side=32) == imaging.open(png, side=32)


def test_an_empty_path_is_no_folder() -> None:
    with pytest.raises(ImageError, match="path is empty"):
        imaging.open("")


def test_a_file_that_is_called_like_an_address_is_a_file(
    png: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(png.parent)
    png.rename("data:image,png")
    assert imaging.open("data:image,png", side=32).original_size == (32, 32)


@pytest.mark.parametrize("path", ["c:/scans/a.png", "scan 1:2.png", "a:b.png"])
def test_a_path_with_a_colon_is_a_path(path: str) -> None:
    with pytest.raises(ImageError, match="No such file"):
        imaging.open(path)


def test_of_several_the_error_says_which(png: Path) -> None:
    with pytest.raises(ImageError, match=r"It is image 2 of 3\."):
        imaging.open_all([png, b"nonsense", png], side=32)


def test_of_one_it_says_nothing(png: Path) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.open_all([b"nonsense"], side=32)
    assert "image 1" not in caught.value.message


@pytest.mark.parametrize("several", ["a.png,b.png", "scans/*.png", "a.png b.png"])
def test_a_list_of_paths_as_one_path_has_its_own_hint(several: str) -> None:
    with pytest.raises(ImageError, match="No such file") as caught:
        imaging.open(several)
    assert "several images are given one by one" in caught.value.hint
