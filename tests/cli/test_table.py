"""Columns of text."""

from __future__ import annotations

from edge_med.cli.render.table import columns


def test_columns_are_as_wide_as_a_terminal_shows_their_letters() -> None:
    assert columns([("模型", "1.5"), ("micro", "12")]) == ["模型   1.5", "micro   12"]


def test_columns_align_left_where_they_are_asked_to() -> None:
    assert columns([("a", "1", "x"), ("bb", "22", "")], left=(0, 2)) == ["a    1  x", "bb  22"]
