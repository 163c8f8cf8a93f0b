"""Micro answers its exam as its card says: a sample of it by default, all of it by marker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.micro import score
from devtools.micro.exam import Item, exam, right
from edge_med import MedGemma
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import phantom
from edge_med.library.default_model import embedded

ITEMS = exam()
SAMPLE = ITEMS[::17]
BEYOND = {"BF16": 10, "Q8_0": 10, "Q4_K_M": 50}
"""Answers of the thousand that may be others than those of transformers on the same checkpoint."""


@pytest.fixture(scope="module")
def model(micro: Path) -> Iterator[MedGemma]:
    with MedGemma.load(micro / "micro-Q8_0.gguf", context=1024) as opened:
        yield opened


def test_a_sample_is_answered_right(model: MedGemma) -> None:
    hits = [right(item, score.answer(model, item)) for item in SAMPLE]
    assert sum(hits) / len(hits) >= 0.9


def test_with_another_picture_a_sample_is_answered_wrong(model: MedGemma) -> None:
    shown = [item for item in SAMPLE if item.kind in ("describe", "side", "zone", "device")]
    hits = [right(item, score.answer(model, item, swapped=True)) for item in shown]
    assert sum(hits) / len(hits) < 0.6


def test_a_second_question_does_not_look_again(model: MedGemma) -> None:
    chat = model.chat()
    unseen = pixels(phantom(654_321))  # what was seen before needn't be looked at again
    first = chat.send("Describe this X-ray", image=unseen)
    second = chat.send("Is the heart enlarged?")
    assert first.timings.encode > 0
    assert second.timings.encode == 0
    assert second.usage.cached >= first.usage.prompt


def test_the_checkpoint_is_small() -> None:
    size = sum(path.stat().st_size for path in embedded().iterdir() if path.suffix != ".jsonl")
    assert size < 12_000_000


@pytest.mark.long
@pytest.mark.parametrize("quant", BEYOND)
def test_all_answers_are_those_of_transformers_but_a_few(micro: Path, quant: str) -> None:
    stored = json.loads(score.THEIRS.read_text("utf-8"))
    said = score.answers_of(micro / f"micro-{quant}.gguf", ITEMS)
    others = sum(a != b for a, b in zip(said, stored["answers"], strict=True))
    print(f"{quant}: {others} of {len(ITEMS)} other than transformers'")
    assert others <= BEYOND[quant]


@pytest.mark.long
def test_all_of_the_exam_is_passed(model: MedGemma) -> None:
    said = [score.answer(model, item) for item in ITEMS]
    summary = score.summary(ITEMS, said)
    print(summary)
    assert summary["right"] >= 950
    assert min(summary["kinds"].values()) >= 0.9
    assert summary["overlap"] >= 0.7


@pytest.mark.long
def test_with_swapped_pictures_it_is_right_by_chance_only(model: MedGemma) -> None:
    def answers(items: list[Item]) -> list[str]:
        return [score.answer(model, item, swapped=True) for item in items]

    found = score.swapped(ITEMS, answers(ITEMS))
    print(found)
    assert abs(found["right"] - found["chance"]) <= 0.05
