"""`/locate`: where something is, drawn, and told."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from edge_med.errors import PromptError, UsageError
from tests.chat.scripted import Held

BOX = 'Final Answer: ```json[{"box_2d": [250, 0, 750, 500], "label": "heart"}]```'


def test_locate_draws_on_the_original_and_names_the_file(held: Held, picture: Path) -> None:
    held.worker.answers = ["a chest", BOX]
    held.enter(f"/image {picture}", "what is it", "/locate the heart")
    assert "Where is the heart?" in held.texts[2]
    assert held.ui.said == [
        "heart: x 0 to 30, y 5 to 35 px\nDrawn in edge-med-box-1.png, on chest x.png"
    ]
    with Image.open("edge-med-box-1.png") as drawn:
        assert drawn.size == (60, 40)


def test_locate_never_replaces_a_file(held: Held, picture: Path) -> None:
    Path("edge-med-box-1.png").write_text("mine")
    held.worker.answers = [BOX]
    held.enter(f"/image {picture}", "/locate heart")
    assert Path("edge-med-box-1.png").read_text() == "mine"
    assert Path("edge-med-box-2.png").exists()


def test_locate_shows_the_last_of_several_images_again(held: Held, picture: Path) -> None:
    other = picture.with_name("other.png")
    Image.new("RGB", (30, 90), "white").save(other)
    held.worker.answers = ["a", "b", BOX]
    held.enter(f"/image {picture}", "one", f"/image {other}", "two", "/locate heart")
    last = held.worker.asked[-1].messages[-1]
    assert [p.original_size for p in last.pictures] == [(30, 90)]


def test_locate_says_what_it_mended_and_when_there_is_no_box(held: Held, picture: Path) -> None:
    held.worker.answers = ['{"box_2d": [750, 0, 250, 500], "label": "heart"}', "nowhere"]
    held.enter(f"/image {picture}", "/locate heart", "/locate heart")
    assert any("a box had swapped corners" in notice for notice in held.ui.notices)
    assert "The model marked nothing. That doesn't mean it isn't there." in held.ui.urgent
    assert not any("marked as JSON" in notice for notice in held.ui.notices)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("bleed", ["You asked for bleed, the model boxed heart."]),
        ("the Heart", []),
        ("enlarged heart", []),
    ],
)
def test_a_box_of_something_else_is_told(
    held: Held, picture: Path, what: str, told: list[str]
) -> None:
    held.worker.answers = [BOX]
    held.enter(f"/image {picture}", f"/locate {what}")
    assert held.ui.urgent == told


def test_locate_without_its_file_draws_on_what_the_model_saw(held: Held, picture: Path) -> None:
    held.worker.answers = [BOX]
    held.enter(f"/image {picture}")
    picture.unlink()
    held.enter("/locate heart")
    with Image.open("edge-med-box-1.png") as drawn:
        assert drawn.size == (56, 56)
    assert any("as the model saw it" in notice for notice in held.ui.notices)


def test_locate_needs_an_image_and_a_name(held: Held, picture: Path) -> None:
    held.enter("/locate heart", f"/image {picture}", "/locate")
    assert [type(error) for error in held.ui.errors] == [UsageError, PromptError]
    assert held.chat.pending.pictures, "the image goes on waiting"
