"""Files as terminals write them when they are dragged in."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.chat import dropped


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
    assert dropped.split(line) == parts


def test_files_are_absolute_and_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a b.png"
    path.write_text("")
    monkeypatch.chdir(tmp_path)
    for line in (str(path), f"'{path}'", f"{path} ", f"file://{tmp_path}/a%20b.png"):
        assert dropped.files(line) == [path], line
    assert dropped.files(str(tmp_path)) == [tmp_path]  # the folder of a CT, perhaps
    for line in ("a b.png", f"what is '{path}'", f"{tmp_path}/no.png", "", "\0"):
        assert dropped.files(line) == [], line
