"""Questions about phantoms have one right answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from devtools.micro.questions import KINDS, answer, ask, boxed, place_of
from edge_med.demo.phantom import Phantom, phantom
from edge_med.imaging.box_answers import parse

SICK = replace(
    phantom(0),
    opacity=("right", "upper"),
    effusion="left",
    enlarged=True,
    pneumothorax="left",
    device="tube",
)
WELL = replace(
    phantom(0), opacity=None, effusion=None, enlarged=False, pneumothorax=None, device=None
)
ALL = "Opacity in the right upper zone. Effusion on the left. Enlarged heart. Pneumothorax on the left. A tube."  # noqa: E501


@pytest.mark.parametrize(
    ("kind", "about", "sick", "well"),
    [
        ("describe", "", ALL, "Normal."),
        ("presence", "effusion", "Yes.", "No."),
        ("presence", "enlarged heart", "Yes.", "No."),
        ("normal", "", "No.", "Yes."),
        ("side", "opacity", "Right.", "There is none."),
        ("side", "pneumothorax", "Left.", "There is none."),
        ("zone", "", "Upper.", "There is none."),
        ("device", "", "A tube.", "None."),
        ("locate", "pacemaker", "[]", "[]"),
        ("thought", "effusion", "Yes.", "No."),
        ("thought", "", "No.", "Yes."),
        ("fact", "2", "Two.", "Two."),
    ],
)
def test_the_answer_follows_from_the_phantom(kind: str, about: str, sick: str, well: str) -> None:
    assert answer(kind, about, SICK) == sick
    assert answer(kind, about, WELL) == well


def test_a_box_is_where_the_structure_is() -> None:
    (box,) = parse(boxed(SICK, "heart")).boxes
    place = place_of(SICK, "heart")
    assert place
    assert box.label == "heart"
    assert np.allclose(box.corners, np.array(place) * 1000, atol=5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drawn", [SICK, WELL])
def test_a_question_of_every_kind_carries_its_answer(kind: str, drawn: Phantom) -> None:
    question = ask(kind, drawn, np.random.default_rng(0))
    assert question.answer == answer(kind, question.about, drawn)
    assert (question.thought is not None) == (kind == "thought")
