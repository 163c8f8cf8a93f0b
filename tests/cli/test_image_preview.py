"""Pictures in the terminal: in colour, in characters, and never wider than it is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from edge_med.cli.render import image_preview


def shown(pixels: np.ndarray, width: int, colours: str | None) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=colours)  # type: ignore[arg-type]
    image_preview.show(pixels.astype(np.uint8), console)
    return out.getvalue().splitlines()


RISING = np.tile(np.arange(256), (256, 1))


def test_without_colour_bright_and_dark_are_characters() -> None:
    lines = shown(RISING, 80, None)
    assert set(lines) == {lines[0]}
    assert (lines[0][0], lines[0][-1], len(lines[0])) == (" ", "@", image_preview.WIDTH)
    assert len(lines) == image_preview.WIDTH // 2


def test_where_colours_are_unwanted_there_are_characters_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(RISING, 80, "truecolor") == shown(RISING, 80, None)


def test_with_colour_each_character_has_two_greys() -> None:
    striped = np.tile(np.array([[0], [255]]), (image_preview.WIDTH // 2, image_preview.WIDTH))
    for line in shown(striped, 80, "truecolor"):
        assert line.count("\x1b[38;2;0;0;0;48;2;255;255;255m▀") == image_preview.WIDTH


def test_a_narrow_terminal_gets_a_narrow_picture() -> None:
    assert {len(line) for line in shown(RISING, 20, None)} == {20}


def test_a_picture_smaller_than_the_terminal_is_shown_too() -> None:
    assert len(shown(np.full((3, 3, 3), 255), 80, None)) == image_preview.WIDTH // 2
