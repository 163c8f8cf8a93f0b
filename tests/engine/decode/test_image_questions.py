"""Questions that speak of an image as one that is there, and those that don't."""

from __future__ import annotations

import pytest

from edge_med.engine.decode.image_questions import points_at_an_image
from edge_med.engine.decode.short_questions import looks_at_something

POINTING = [
    "Describe this X-ray",
    "describe chest x-ray.",
    "Is there an effusion in the image?",
    "Is there an effusion in this frontal chest radiograph?",
    "Is this normal? (attached CT scan)",
    "What does my picture show?",
    "What does the CT show?",
    "what does the scan show",
    "Does the CT show a bleed?",
    "Is there a bleed on the CT?",
    "Is the CT normal?",
    "Summarize the attached scan",
    "Describe the MRI",
    "Describe the ultrasound",
    "Report this film",
    "Compare both X-rays",
    "Describe the clinical photo",
    "Describe phantom.png",
    "Describe <start_of_image>",
    "What is in /mnt/pacs/12345?",
    "What is in C:\\scans?",
    "Was zeigt die Aufnahme?",
    "Beschreibe das CT",
    "Que montre le scanner ?",
    "¿Qué muestra la resonancia?",
    "Cosa mostra la TAC?",
    "Опиши снимок",
    "Что видно на снимке?",
    "Beschreibe dieses Röntgenbild.",
    "Was zeigt das Röntgen?",
    "Befunde die Röntgen-Aufnahme",
    "Was ist auf dem Bild zu sehen?",
    "Que montre cette radiographie ?",
    "Décris l\u2019image.",
    "Que voit-on sur l'image ?",
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
    "What does a CT scan cost?",
    "How does MRI work?",
    "How does the MRI work?",
    "Is the MRI safe?",
    "Who invented the CT?",
    "What is the role of CT in stroke?",
    "What are the risks of X-rays?",
    "Describe the MRI findings in multiple sclerosis",
    "Describe the difference between CT and MRI.",
    "What does the CT show in appendicitis?",
    "Compare X-ray and CT doses",
    "Wie ist die Aufnahme von Eisen?",
    "Was kostet ein CT?",
    "Сколько стоит снимок?",
    "Is the patient in this report ill?",
    "What is a thermal image?",
    "What is a lateral image?",
    "How are mycology slides stained?",
    "What is the clinical picture of lupus?",
    "What is the typical clinical picture of measles?",
    "Was ist ein Röntgenbild?",
    "Was ist ein dermatologisches Bild?",
    "Wie ist das klinische Bild der Grippe?",
    "本病的影像学表现是什么?",
    "How does the X-ray machine work?",
    "Who cleans the x-ray room?",
    "What is the dose of the X-ray tube?",
    "What is the image of choice in appendicitis?",
    "Is the X-ray radiation harmful?",
    "Wer entdeckte die Röntgenstrahlen?",
    "Was macht die Röntgenabteilung?",
    "Quelle est la radio de choix ?",
]


@pytest.mark.parametrize("question", POINTING)
def test_a_question_points_at_an_image(question: str) -> None:
    assert points_at_an_image(question)


@pytest.mark.parametrize("question", GENERAL)
def test_a_question_about_images_in_general_points_at_none(question: str) -> None:
    assert not points_at_an_image(question)


@pytest.mark.parametrize(
    "question",
    ["What do you see?", "What's shown here?", "Interpret the attached file.", "Findings?",
     "Compare with the previous study", "Befund?", "Was siehst du?", "Que vois-tu ?", "¿Qué ves?",
     "Cosa vedi?", "Что ты видишь?", "Impression, please", "Describe this", "What is this?",
     "Could you interpret this for me?", "What\u2019s wrong here?", "Is this malignant?",
     "What kind of lesion is this?", "Anything abnormal?", "Is there a fracture here?",
     "Do you see an effusion on the left?", "Are the lungs clear?", "Findings and impression",
     "List the main findings", "Write a radiology report", "What is the diagnosis?",
     "What do you see in the study?", "Was ist das?", "Qu'est-ce que c'est ?", "¿Qué es esto?",
     "Что это?", "这是什么"],
)  # fmt: skip
def test_a_question_is_about_what_is_looked_at(question: str) -> None:
    assert looks_at_something(question)


@pytest.mark.parametrize(
    "question",
    ["What do you see in sarcoidosis?", "Findings of sarcoidosis?", "Interpret the result: CRP 80",
     "Compare ARDS with pneumonia", "What's shown by a positive D-dimer?", "Is it large?", "",
     "Describe pneumonia", "Explain this drug's mechanism", "Is this dose right: 5 mg/kg?",
     "What is the diagnosis of a patient with fever?", "Is there a vaccine for RSV?",
     "Write a report template", "Is there an effusion in heart failure?", "What is that drug?",
     "What does this mean: opacity?", "Where is the appendix?"],
)  # fmt: skip
def test_a_question_that_says_of_what_is_about_that(question: str) -> None:
    assert not looks_at_something(question)


@pytest.mark.parametrize(
    "text",
    ["this that the " * 200_000, f"ct {'a-' * 100_000}", "the ct shows in them, " * 20_000],
    ids=["words that point", "one long word", "what examinations show"],
)
def test_a_long_text_is_searched_in_no_time(text: str) -> None:
    assert not points_at_an_image(text)
    assert not looks_at_something(text)
