"""What a text names that isn't opened, and what it may name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_med.imaging.files.mentions import mentioned


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two images, one under a name with blanks."""
    monkeypatch.chdir(tmp_path)
    Path("my scans").mkdir()
    for name in ("a.png", "my scans/left hip.png"):
        Path(name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{}/a.png is the heart enlarged?", "{}/a.png"),
        ("What is in {}/my scans/left hip.png, briefly?", "{}/my scans/left hip.png"),
        ("Is it large (a.png)?", "a.png"),
        ("@a.png describe it", "a.png"),
        ("Is it large? file://{}/a.png", "{}/a.png"),
        ("Is it large? file:///none", "/none"),
        ("Is it large? file:////none", "file:////none"),
        ("![](a.png)", "a.png"),
        ('What is it? <img alt="x" src="none.png">', "none.png"),
        ("Is https://example.org/a.png?size=2 normal?", "https://example.org/a.png?size=2"),
        ("Is it large?\n{}/a.png", "{}/a.png"),
        ("Is it large?\n![](a.png)\nBe brief.", "a.png"),
    ],
)
def test_a_file_or_an_images_address_is_named(here: Path, text: str, named: str) -> None:
    assert next(mentioned(text.format(here))) == named.format(here)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Is the heart enlarged?",
        "What is a .png?",
        "What changed from b.png to c.dcm?",
        "What does https://example.org/guideline say?",
        "120/80 and/or 3.5 mg b.i.d., see Dr. J. Smith.MD",
        "A report\nthat names a.png, and https://example.org/a.png\nwithin its lines.",
        "Source:\nhttps://example.org/guideline",
    ],
)
def test_other_texts_name_none(text: str) -> None:
    assert not [*mentioned(text)]


def test_nothing_is_looked_for_on_another_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(_path: Path) -> bool:
        raise AssertionError

    monkeypatch.setattr(Path, "is_file", touched)
    monkeypatch.setattr(Path, "is_dir", touched)
    assert not [*mentioned(r"Is it in \\other\share\a.png or //other/share/a.png?")]


@pytest.mark.parametrize("fragment", ["![a](b", "![", "![a](b ", "<img ", "/a/b see ", "./a "])
def test_a_long_line_of_anything_is_looked_through_in_seconds(fragment: str) -> None:
    text = fragment * (20_000 // len(fragment))
    before = time.process_time()
    assert len([*mentioned(text)]) < 20_000
    assert time.process_time() - before < 15
