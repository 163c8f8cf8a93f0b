"""Files as terminals write them when they are dragged in."""

from __future__ import annotations

import sys

import pytest

from edge_med.chat import dropped_paths
from edge_med.imaging.files.image_names import is_there


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("/a/b.png", ["/a/b.png"]),
        ("'/a/b c.png'", ["/a/b c.png"]),  # GNOME Terminal
        ("'/a/it'\\''s.png'", ["/a/it's.png"]),
        ("/a/b\\ c\\(1\\).png", ["/a/b c(1).png"]),  # macOS
        ("/a/b.png /a/c.png", ["/a/b.png", "/a/c.png"]),
        ("file:///a/b%20c.png", ["/a/b c.png"]),
        ("file://localhost/a/%E4%B8%AD.png", ["/a/中.png"]),
        ("file:///a/b.png\nfile:///a/c.png", ["/a/b.png", "/a/c.png"]),
        ("file:///C:/a/b.png", ["C:/a/b.png"]),
        ("C:\\a\\b.png", ["C:\\a\\b.png"]),
        ('"C:\\a b\\c.png"', ["C:\\a b\\c.png"]),
        ("& 'C:\\a b\\c.png'", ["C:\\a b\\c.png"]),  # PowerShell
        ('"C:\\a b\\c.png" D:\\d.png', ["C:\\a b\\c.png", "D:\\d.png"]),
        ("\\\\server\\share\\x.png", ["\\\\server\\share\\x.png"]),
        ("the patient's heart", ["the", "patient's", "heart"]),
    ],
)
def test_a_line_is_split_into_paths(line: str, parts: list[str]) -> None:
    assert dropped_paths.split(line) == parts


@pytest.mark.skipif(sys.platform == "win32", reason="there / is a folder of the drive")
def test_what_is_at_the_very_top_may_be_a_command() -> None:
    assert not is_there("/tmp")
    assert is_there("/usr/bin")


@pytest.mark.parametrize("name", ["", "\0", "x" * 5000, "~nobody-of-that-name/x"])
def test_what_cannot_be_a_name_is_none(name: str) -> None:
    assert not is_there(name)
