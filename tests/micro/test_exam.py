"""The exam: a thousand questions, always the same ones, and fair."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from devtools.micro import exam
from devtools.micro.pictures import FIRST_SEED

ITEMS = exam.exam()
BOX = next(i for i in ITEMS if i.kind == "locate" and "heart" in i.answer)


def test_it_is_the_one_that_the_script_draws() -> None:
    assert exam.draw()[:50] == ITEMS[:50]


def test_every_kind_has_a_hundred_questions() -> None:
    assert set(Counter(item.kind for item in ITEMS).values()) == {100}
    assert len(ITEMS) == 1000


def test_training_saw_none_of_its_phantoms() -> None:
    assert max(max(item.seed, item.swapped) for item in ITEMS) < FIRST_SEED
    assert len({item.seed for item in ITEMS}) == 1000


@pytest.mark.parametrize("kind", ["presence", "normal", "side", "zone", "device", "thought"])
def test_no_answer_is_right_most_of_the_time(kind: str) -> None:
    answers = Counter(item.answer for item in ITEMS if item.kind == kind)
    assert answers.most_common(1)[0][1] <= 60


@pytest.mark.parametrize(
    ("said", "right"),
    [
        (BOX.answer, True),
        (f"Here it is: {BOX.answer}", True),
        (BOX.answer.replace("heart", "opacity"), False),
        ('[{"box_2d": [0, 0, 100, 100], "label": "heart"}]', False),
        ("[]", False),
        ("", False),
    ],
)
def test_a_box_is_right_if_it_overlaps_and_is_named_rightly(said: str, right: bool) -> None:
    assert exam.right(BOX, said) == right


def test_overlap_is_intersection_over_union() -> None:
    item = replace(BOX, answer='[{"box_2d": [0, 0, 100, 200], "label": "heart"}]')
    assert exam.overlap(item, '[{"box_2d": [0, 100, 100, 300], "label": "heart"}]') == 1 / 3


def test_another_answer_than_the_right_one_is_wrong() -> None:
    item = next(i for i in ITEMS if i.kind == "side")
    assert exam.right(item, item.answer + "\n")
    assert not exam.right(item, "Somewhere.")
