"""Texts that name an image, and those that don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.imaging.files.image_names import is_name_alone, names_image


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


def test_a_files_name_behind_an_at_sign_is_a_name_alone() -> None:
    assert is_name_alone("@sys.txt")
    assert not is_name_alone("@home")
    assert not is_name_alone("a@example.org")


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
