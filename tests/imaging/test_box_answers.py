"""Boxes are read out of whatever a model writes, and what had to be mended is told."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_med.errors import PromptError
from edge_med.imaging.boxes import Box, Parsed, locate_prompt, other_than, parse

CLAVICLE = '{"box_2d": [140, 110, 340, 470], "label": "right clavicle"}'
BOX = Box("right clavicle", (140.0, 110.0, 340.0, 470.0))
HEART = Box("heart", (400.0, 300.0, 700.0, 600.0))

UNFENCED = "the list isn't marked as JSON"
SINGLE = "it has an object instead of a list"
LOST = "a box that isn't four numbers was left out"

GOLDEN: dict[str, tuple[str, tuple[Box, ...], tuple[str, ...]]] = {
    "as the prompt asks": (f"```json[{CLAVICLE}]```", (BOX,), ()),
    "after reasoning": (f"It is on top.\nFinal Answer: ```json\n[{CLAVICLE}]\n```", (BOX,), ()),
    "without a fence": (f"Final Answer: [{CLAVICLE}]", (BOX,), (UNFENCED,)),
    "a single object": (f"```json{CLAVICLE}```", (BOX,), (SINGLE,)),
    "several": (
        f'```json[{CLAVICLE}, {{"label": "heart", "box_2d": [400, 300, 700, 600]}}]```',
        (BOX, HEART),
        (),
    ),
    "a thought left in": (
        f"<unused94>thought\n[{CLAVICLE}]<unused95>```json[]```",
        (),
        ("it holds a thought",),
    ),
    "an open thought": (
        f"<unused94>thought\n```json[{CLAVICLE}]```",
        (BOX,),
        ("it holds a thought without an end",),
    ),
    "the reasoning has another box": (
        f'[{{"box_2d": [1, 2, 3, 4], "label": "a guess"}}] Final Answer: ```json[{CLAVICLE}]```',
        (BOX,),
        (),
    ),
    "the final answer in bold": (
        f'[{{"box_2d": [1, 2, 3, 4], "label": ""}}] **Final answer**: ```json[{CLAVICLE}]```',
        (BOX,),
        (),
    ),
    "the final answer has none": (f"```json[{CLAVICLE}]``` Final Answer: above", (BOX,), ()),
    "the final answer is that there is none": (
        f"Not {CLAVICLE}, so Final Answer: ```json[]```",
        (),
        (),
    ),
    "cut off": (
        f'```json[{CLAVICLE}, {{"box_2d": [400, 3',
        (BOX,),
        ("the list isn't closed",),
    ),
    "floats and numbers in quotes": (
        '```json[{"box_2d": [140.5, "110", 340, 470.0], "label": "x"}]```',
        (Box("x", (140.5, 110.0, 340.0, 470.0)),),
        (),
    ),
    "a box had swapped corners": (
        '```json[{"box_2d": [340, 470, 140, 110], "label": "right clavicle"}]```',
        (BOX,),
        ("a box had swapped corners",),
    ),
    "out of the picture": (
        '```json[{"box_2d": [-5, 110, 340, 1200], "label": "x"}]```',
        (Box("x", (0.0, 110.0, 340.0, 1000.0)),),
        ("a box outside the image was cut off at its edge",),
    ),
    "no area": (
        '```json[{"box_2d": [10, 10, 10, 40], "label": "x"}]```',
        (),
        ("a box without an area was left out",),
    ),
    "three numbers": ('```json[{"box_2d": [10, 10, 10], "label": "x"}]```', (), (LOST,)),
    "not numbers": ('```json[{"box_2d": [1, 2, 3, "x"], "label": "x"}]```', (), (LOST,)),
    "not finite": ('```json[{"box_2d": [1, 2, 3, 1e999], "label": "x"}]```', (), (LOST,)),
    "single quotes": (
        "```json[{'box_2d': [140, 110, 340, 470], 'label': 'right clavicle'}]```",
        (BOX,),
        ("it has single quotes",),
    ),
    "it has a comma too many": (
        '```json[{"box_2d": [140, 110, 340, 470,], "label": "right clavicle",},]```',
        (BOX,),
        ("it has a comma too many",),
    ),
    "no label": (
        '```json[{"box_2d": [140, 110, 340, 470]}]```',
        (Box("", BOX.corners),),
        (),
    ),
    "a bare list": (
        "Final Answer: [140, 110, 340, 470]",
        (Box("", BOX.corners),),
        ("it has a list of numbers without a label", UNFENCED),
    ),
    "the same again": (
        f"```json[{CLAVICLE}, {CLAVICLE}]```",
        (BOX,),
        ("a repeated box counts once",),
    ),
    "prose": ("The heart is in the middle, at [y0, x0].", (), ()),
    "nothing": ("", (), ()),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_what_models_write(case: str) -> None:
    text, boxes, quirks = GOLDEN[case]
    assert parse(text) == Parsed(boxes, quirks)


def test_an_answer_without_end_gives_a_hundred_boxes() -> None:
    text = "[" + ", ".join(f'{{"box_2d": [0, 0, 9, {n}], "label": ""}}' for n in range(1, 500))
    found = parse(text)
    assert len(found.boxes) == 100
    assert "only the first 100 boxes are used" in found.quirks


FRAGMENTS = st.sampled_from(
    ['{"box_2d":', "[", "]", "{", "}", "1", ",", "1e999", '"', "label", "'", " ", "\\", "NaN",
     "Final Answer:", "```json", "<unused94>", "<unused95>", "-5", "[1,2,3,4]", "\ud800", "٣"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=60).map("".join) | st.text())
@example('{"box_2d":' + "[" * 1900 + "}")
@example('{"box_2d": [' + "9" * 1900 + ", 1, 2, 3]}")
def test_nothing_makes_it_fail(text: str) -> None:
    for box in parse(text).boxes:
        y0, x0, y1, x1 = box.corners
        assert 0 <= y0 < y1 <= 1000
        assert 0 <= x0 < x1 <= 1000


@pytest.mark.parametrize(
    "fragment",
    ["[", "{", "{}", '{"box_2d":1}', '{"box_2d":' + "[" * 900 + "}", "[1,", "[ ", '"', "[1,2,3,4",
     "Final Answer:", "final answer*", "<unused95>", '{"box_2d":"', "{'",
     '{"box_2d":[1,2,3,4]}', "[1,2,3,4]", "\\"]
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_in_seconds(fragment: str) -> None:
    text = fragment * (1_000_000 // len(fragment))
    before = time.process_time()
    parse(text)
    assert time.process_time() - before < 15


@pytest.mark.parametrize("what", ["right clavicle", "the right clavicle", " The  right clavicle "])
def test_the_prompt_is_googles_with_what_is_wanted(what: str) -> None:
    prompt = locate_prompt(what)
    assert prompt.startswith("Instructions:\nThe following user query will require outputting")
    assert "\n\nQuery:\nWhere is the right clavicle? Don't give a final answer without" in prompt
    assert prompt.endswith('The object needs a "box_2d" and "label" key. Answer:')


def test_nothing_to_find_is_refused() -> None:
    with pytest.raises(PromptError):
        locate_prompt("  ")


@pytest.mark.parametrize(
    ("what", "label", "other"),
    [
        ("right clavicle", "right clavicle", False),
        ("Where is the clavicle?", "clavicle", False),
        ("clavicle", "Clavicle, right", False),
        ("clavicles", "left clavicle", False),
        ("left and right clavicle", "right clavicle", False),
        ("left clavicle", "right clavicle", True),
        ("heart", "right clavicle", True),
    ],
)
def test_a_box_of_another_thing_or_of_the_other_side_is_told(
    what: str, label: str, other: bool
) -> None:
    told = f"You asked for {what}, the model boxed {label}."
    assert other_than(what, [Box(label, BOX.corners)]) == (told if other else "")
