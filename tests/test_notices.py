"""What a user is told besides the answer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devtools.images.photos import scene
from edge_med import MedGemma, Options, documents
from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.gguf_facts import facts
from edge_med.artifacts.published import WINDOWS
from edge_med.imaging import picture_notices
from tests.conftest import Models


def test_several_images_are_answered_with_one_notice_of_the_models_limits(model: Models) -> None:
    images = [scene(300, 200), scene(200, 300)]
    short = Options(max_new_tokens=1)
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        counts = [tiny.ask("What is it?", images=images[:n], options=short) for n in (1, 2, 2)]
    assert [[notice.code for notice in answer.notices] for answer in counts] == [
        ["research_only"],
        ["single_image_single_turn"],
        [],
    ]


def codes(model: MedGemma, prompt: Any, **given: Any) -> list[str]:
    answer = model.ask(prompt, options=Options(max_new_tokens=1), **given)
    return [notice.code for notice in answer.notices if notice.code != "research_only"]


def test_the_first_answer_tells_of_a_window_that_is_not_the_published_one(
    model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model("text", "F32")
    found = facts("x.gguf", read_header(path / "text-F32.gguf"))
    assert found.layers
    assert found.hidden
    monkeypatch.setitem(WINDOWS, (found.layers, found.hidden), 1024)
    with MedGemma.load(path, context=256, threads=1) as tiny:
        assert codes(tiny, "the heart") == ["window"]
        assert codes(tiny, "the heart") == []


def test_each_question_about_an_image_that_isnt_there_has_a_notice(model: Models) -> None:
    image = scene(300, 200)
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        assert codes(tiny, "Describe this X-ray") == ["no_image"]
        assert codes(tiny, "What does the image show?") == ["no_image"]
        assert codes(tiny, "What does the heart do?") == []
        assert codes(tiny, "Look at <image>. Effusion?") == ["no_image"]
        report = ["The CT shows a nodule.\n\nCompared with the prior radiograph, it is larger."]
        assert codes(tiny, documents.prepend("Summarize the report", report)) == []
        assert codes(tiny, documents.prepend("Describe this X-ray", report)) == ["no_image"]
        assert codes(tiny, "Describe this X-ray", image=image) == []
        earlier = [
            {"role": "user", "content": "Describe this X-ray", "image": image},
            {"role": "assistant", "content": "Normal."},
            {"role": "user", "content": "Is the image sharp?"},
        ]
        assert "no_image" not in codes(tiny, earlier)


def test_what_is_looked_at_is_an_image_unless_something_was_said_before(model: Models) -> None:
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        assert codes(tiny, "Findings?") == ["no_image"]
        assert codes(tiny, documents.prepend("Findings?", ["The heart is large."])) == []
        earlier = [
            {"role": "user", "content": "The heart is large."},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Findings?"},
        ]
        assert "no_image" not in codes(tiny, earlier)


def test_a_model_that_sees_nothing_says_nothing_of_images(model: Models) -> None:
    with MedGemma.load(model("text", "F32"), context=64, threads=1) as blind:
        assert codes(blind, "Describe this X-ray") == []


def test_each_answer_tells_what_is_to_be_known_of_its_images(model: Models) -> None:
    short, black = Options(max_new_tokens=1), np.zeros((300, 300), np.uint8)
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        alone = [tiny.ask("What is it?", image=black, options=short) for _ in range(2)]
        among = tiny.ask("What is it?", images=[scene(300, 200), black], options=short)
    assert all(picture_notices.ONE_GREY in answer.notices for answer in alone)
    (notice,) = (notice for notice in among.notices if notice.code == "one_grey")
    assert notice.text.startswith("Image 2: All pixels")


def test_a_prompt_beyond_what_the_model_was_trained_with_has_a_notice(model: Models) -> None:
    with MedGemma.load(model("text", "F32"), context=1024, threads=1) as tiny:
        assert "beyond_context" in codes(tiny, "the heart " * 300)
        assert codes(tiny, "the heart") == []


def test_a_score_and_a_choice_tell_what_an_answer_would(model: Models) -> None:
    black = np.zeros((300, 300), np.uint8)
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
        choice = tiny.choose("Is there an effusion in this X-ray?", ["Yes", "No"])
        seen = tiny.score("What is it?", "A heart.", image=black)
        answer = tiny.ask("What is it?", image=black, options=Options(max_new_tokens=1))
    assert [notice.code for notice in choice.notices] == ["research_only", "no_image"]
    assert [len(score.notices) for score in choice.scores] == [2, 1]
    assert seen.notices == answer.notices == (picture_notices.ONE_GREY,)
    assert choice.provenance is choice.scores[-1].provenance
    assert choice.provenance.projector_device is None
    assert dataclasses.replace(seen.provenance, options=answer.provenance.options) == (
        answer.provenance
    )


def test_a_choice_of_a_toy_says_so(micro: Path) -> None:
    with MedGemma.load(micro, context=512, threads=1) as toy:
        choice = toy.choose("What pumps blood?", ["The heart.", "The lung."])
    assert choice.provenance.toy
    assert all("toy" in [notice.code for notice in score.notices] for score in choice.scores)
