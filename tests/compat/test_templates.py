"""Gemma's turns are written for a model that has them by its file; for another it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devtools.golden.compat import IMAGE_ID, QUESTION
from edge_med import compat
from edge_med.artifacts.chat_template import Turns
from edge_med.compat import hub
from edge_med.errors import PromptError

WARNED: dict[Turns, str] = {"foreign": "isn't Gemma's", "assumed": "has no chat template"}


def of(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model's file be one without a template, or with another's."""
    found = replace(hub.find(IMAGE_ID), turns=turns)
    monkeypatch.setattr(hub, "find", lambda _name: found)


@pytest.mark.parametrize("kind", ["AutoTokenizer", "AutoProcessor"])
def test_no_conversation_is_written_for_a_base_model(
    kind: str, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of("none", monkeypatch)
    with pytest.raises(PromptError, match="has no chat template"):
        getattr(compat, kind).from_pretrained(IMAGE_ID).apply_chat_template(QUESTION)


@pytest.mark.parametrize("task", ["text-generation", "image-text-to-text"])
def test_a_pipeline_continues_a_base_models_texts_alone(
    task: str, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of("none", monkeypatch)
    pipe = compat.pipeline(task, IMAGE_ID)
    with pytest.raises(PromptError, match="has no chat template"):
        pipe(text=QUESTION, max_new_tokens=3)
    assert pipe(text="The heart", max_new_tokens=3)


@pytest.mark.parametrize("turns", WARNED)
def test_turns_that_may_be_wrong_are_told(
    turns: Turns, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    of(turns, monkeypatch)
    pipe = compat.pipeline("text-generation", IMAGE_ID)
    with pytest.warns(compat.TemplateWarning, match=WARNED[turns]):
        pipe(text=QUESTION, max_new_tokens=3)
