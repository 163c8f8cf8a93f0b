"""Texts that name an image or hold one, and those that don't."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from edge_med.imaging.naming import holds_image, is_name_alone, names_image
from tests.imaging.dicom_samples import dicom, ramp
from tests.imaging.samples import FILES

ENCODED = {**FILES, "DICOM": dicom(ramp(8)), "DICOM and TIFF": b"II*\0\1\2\3" + dicom(ramp(8))[7:]}


@pytest.mark.parametrize("kind", ENCODED)
def test_every_format_that_is_read_is_known_as_letters(kind: str) -> None:
    file = ENCODED[kind]
    for letters in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        assert holds_image(f"Look: {letters(file).decode()}")


def test_bytes_of_another_kind_are_no_image_as_letters() -> None:
    assert not holds_image(base64.b64encode(b"the heart is of a normal size " * 20).decode())
    assert not holds_image("A" * 400)


@pytest.mark.parametrize(
    "text",
    [
        *("phantom.png", "a/b.DCM", " scan.nii.gz ", "phantom.png?", "study.zip"),
        *("file:///tmp/x", "data:,x", "https://example.org/a.png?size=2"),
    ],
)
def test_a_text_names_an_image(text: str) -> None:
    assert names_image(text)


def test_a_file_that_is_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("IM0001", "two words.raw"):
        Path(name).write_bytes(b"x")
    assert names_image(str(tmp_path / "IM0001"))
    assert names_image(tmp_path.as_uri())
    assert names_image("two words.raw")
    assert is_name_alone("IM0001")
    assert not names_image("IM0001")  # a word, for all that is known of a key's value


def test_nothing_is_looked_for_on_another_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(_path: Path) -> bool:
        raise AssertionError

    monkeypatch.setattr(Path, "is_file", touched)
    monkeypatch.setattr(Path, "is_dir", touched)
    for name in (r"\\other\share\scan", "//other/share/scan"):
        assert not names_image(name)
        assert not is_name_alone(name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "ask", "Is it large?", "No.", "user", "google/medgemma-4b-it", "high", "a" * 9000),
        *("What is a .png?", "https://example.org/guideline", ".zip", "270m-Q8_0.gguf", "3.5"),
    ],
)
def test_other_texts_name_none(text: str) -> None:
    assert not names_image(text)
