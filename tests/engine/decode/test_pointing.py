"""Questions that speak of an image as one that is there, and those that don't."""

from __future__ import annotations

import pytest

from edge_med.engine.decode.pointing import points_at_an_image

POINTING = [
    "Describe this X-ray",
    "describe chest x-ray.",
    "Is there an effusion in the image?",
    "Is there an effusion in this frontal chest radiograph?",
    "Is this normal? (attached CT scan)",
    "What does my picture show?",
    "Beschreibe dieses Röntgenbild.",
    "Was ist auf dem Bild zu sehen?",
    "Que montre cette radiographie ?",
    "Décris l\u2019image.",
    "¿Qué muestra esta radiografía?",
    "Descrivi questa immagine.",
    "Descreva esta imagem.",
    "请描述这张胸部X光片。",
    "图中有什么异常?",
    "この画像を説明してください",
    "이 사진을 설명해 주세요",
]

GENERAL = [
    "What does the heart do?",
    "How do you differentiate bacterial from viral pneumonia?",
    "When is an X-ray indicated?",
    "What are signs of pneumonia on X-rays?",
    "Explain how MRI works.",
    "Is the patient in this report ill?",
    "Was ist ein Röntgenbild?",
    "本病的影像学表现是什么?",
]


@pytest.mark.parametrize("question", POINTING)
def test_a_question_points_at_an_image(question: str) -> None:
    assert points_at_an_image(question)


@pytest.mark.parametrize("question", GENERAL)
def test_a_question_about_images_in_general_points_at_none(question: str) -> None:
    assert not points_at_an_image(question)


def test_a_long_text_is_searched_in_no_time() -> None:
    assert not points_at_an_image("this that the " * 200_000)
