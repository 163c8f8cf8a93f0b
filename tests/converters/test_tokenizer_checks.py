"""A tokenizer that doesn't fit the model, itself or Gemma's way is reported or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.request import ConversionRequest
from devtools.checkpoints.changes import change_json
from devtools.checkpoints.tiny import PADDED_VOCABULARY, TINY, write_tiny
from devtools.checkpoints.tokenizer import gemma_tokenizer, tiny_tokenizer, write_tokenizer
from edge_med.errors import CheckpointError

SPLIT = {
    "type": "Split",
    "pattern": {"String": " "},
    "behavior": "MergedWithPrevious",
    "invert": False,
}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_tiny(TINY["text"], tmp_path / "tiny")


def plan_of(source: Path, **more: Any) -> ConversionPlan:
    return make_plan(
        ConversionRequest(source=source, folder=source.parent, quants=("F16",), **more)
    )


def add(source: Path, *tokens: tuple[int, str]) -> None:
    more = {str(n): {"content": text, "special": True} for n, text in tokens}
    change_json(source / "tokenizer_config.json", lambda c: c["added_tokens_decoder"].update(more))


def test_the_tokenizer_of_a_larger_model_is_refused(source: Path, tmp_path: Path) -> None:
    base = write_tiny(TINY["text"], tmp_path / "base")
    words = [f"\u2581{chr(97 + n % 26)}{chr(97 + n // 26)}ology" for n in range(600)]
    write_tokenizer(base, tokenizer=gemma_tokenizer(words, 600))
    for name in ("tokenizer.model", "tokenizer.json", "tokenizer_config.json"):
        (source / name).unlink()
    rows = PADDED_VOCABULARY
    with pytest.raises(CheckpointError, match=f"vocabulary of {rows}: {rows}: ") as caught:
        plan_of(source, base=base)
    assert "--base" in caught.value.hint


def test_a_token_without_a_row_is_named(source: Path) -> None:
    clean = plan_of(source).files[0].header
    add(source, (707, "<report>"))
    plan = plan_of(source)
    (warning,) = plan.warnings
    assert (warning.code, "707: '<report>'" in warning.text) == ("tokens", True)
    assert plan.files[0].header == clean


def test_the_place_of_a_picture_needs_no_row(source: Path) -> None:
    add(source, (707, "<image_soft_token>"))
    assert plan_of(source).warnings == ()


def test_a_token_that_vocab_size_cuts_off_is_named(source: Path) -> None:
    size = len(tiny_tokenizer().tokens) - 1
    change_json(source / "config.json", lambda c: c.update(vocab_size=size))
    rows, tokens = plan_of(source).warnings
    assert (rows.code, tokens.code) == ("vocabulary", "tokens")
    assert f"{size}: '<end_of_image>'" in tokens.text


def test_many_rows_without_a_token_are_reported(source: Path) -> None:
    write_tokenizer(source, tokenizer=gemma_tokenizer(["\u2581the"], 3))
    (warning,) = plan_of(source).warnings
    assert warning.code == "tokens"
    assert f"of the model's {PADDED_VOCABULARY} rows" in warning.text


@pytest.mark.parametrize("model", [True, False])
def test_another_name_in_added_tokens_json_is_reported(model: bool, source: Path) -> None:
    if not model:
        (source / "tokenizer.model").unlink()
    (source / "added_tokens.json").write_text(json.dumps({"<mine>": 5, "<mask>": 4}))
    (warning,) = plan_of(source).warnings
    assert warning.code == "tokenizers"
    assert "call 5 '<mine>' and '[multimodal]': the latter count" in warning.text


def test_tokenizer_config_with_another_token_is_noticed(source: Path) -> None:
    (source / "tokenizer.model").unlink()
    add(source, (300, "<report>"))
    (warning,) = plan_of(source).warnings
    assert warning.code == "tokenizers"
    assert "tokenizer_config.json and tokenizer.json differ in 1 of" in warning.text


STEPS: dict[str, tuple[dict[str, Any], str]] = {
    "lower case": (
        {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, SPACES]}},
        "'Lowercase'",
    ),
    "words": ({"pre_tokenizer": {"type": "Whitespace"}}, "'Whitespace'"),
    "a space before all": (
        {
            "pre_tokenizer": {
                "type": "Metaspace",
                "replacement": "\u2581",
                "prepend_scheme": "first",
            }
        },
        "'Metaspace'",
    ),
    "spaces as they are": ({"normalizer": None}, "doesn't replace spaces"),
    "damage": ({"normalizer": {"type": "Sequence", "normalizers": 5}}, "5"),
}


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("model", [True, False])
def test_steps_that_arent_gemmas_are_reported(case: str, model: bool, source: Path) -> None:
    change, words = STEPS[case]
    if not model:
        (source / "tokenizer.model").unlink()
    change_json(source / "tokenizer.json", lambda data: data.update(change))
    (warning,) = plan_of(source).warnings
    assert (warning.code, words in warning.text) == ("tokenizer_steps", True)


def test_steps_as_transformers_5_saves_them_are_gemmas(source: Path) -> None:
    saved = {
        "normalizer": {"type": "Sequence", "normalizers": [SPACES]},
        "pre_tokenizer": SPLIT,
    }
    change_json(source / "tokenizer.json", lambda data: data.update(saved))
    assert plan_of(source).warnings == ()
