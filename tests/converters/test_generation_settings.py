"""Ends of answers are those of generation_config.json; its other settings are reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.changes import change_json
from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.checkpoints.tokenizer import tiny_tokenizer
from edge_med import MedGemma, Options
from edge_med.artifacts.chat_template import ENDS
from edge_med.artifacts.gguf import read_header

EOS, STRUCK = 1, tiny_tokenizer().id("</s>")
END_OF_TURN = tiny_tokenizer().id("<end_of_turn>")


def source_with(settings: dict[str, Any] | None, tmp_path: Path) -> Path:
    source = write_tiny(TINY["text"], tmp_path / "source/tiny")
    path = source / "generation_config.json"
    if settings is None:
        path.unlink()
    else:
        path.write_text(json.dumps(settings))
    return source


def plan_of(source: Path) -> ConversionPlan:
    return make_plan(ConversionRequest(source=source, folder=source.parent, quants=("Q8_0",)))


def test_an_answer_ends_where_the_checkpoint_says(tmp_path: Path) -> None:
    def answer(ends: list[int]) -> tuple[str, str]:
        folder = tmp_path / str(len(ends))
        source = source_with({"eos_token_id": ends}, folder)
        convert(ConversionRequest(source=source, folder=folder / "out", quants=("Q8_0",)))
        with MedGemma.load(folder / "out", threads=1) as model:
            written = model.ask("a", options=Options(max_new_tokens=3))
            return written.text, written.finish_reason

    text, reason = answer([EOS, END_OF_TURN])
    assert (text != "", reason) == (True, "length")
    assert answer(list(range(TINY["text"].text.vocabulary))) == ("", "stop")


@pytest.mark.parametrize(
    "ends",
    [[EOS, END_OF_TURN], EOS, None, [], "x", {"a": 1}, [True, -1, 1.5]],
)
def test_ends_that_llama_cpp_finds_change_no_byte(ends: object, tmp_path: Path) -> None:
    clean = plan_of(source_with({}, tmp_path / "clean"))
    plan = plan_of(source_with({"eos_token_id": ends}, tmp_path / "said"))
    assert plan.files[0].header == clean.files[0].header
    assert plan.warnings == ()


def test_other_ends_are_written_and_reported(tmp_path: Path) -> None:
    source = source_with({"eos_token_id": [EOS, STRUCK, 300, 300, 1 << 30]}, tmp_path)
    done = convert(ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",)))
    ends = read_header(tmp_path / "out" / done.manifest.files[0].path).array(ENDS)
    assert ends is not None
    assert ends.values() == [STRUCK, 300]
    kept, beyond = plan_of(source).warnings
    assert (kept.code, beyond.code) == ("ends", "ends")
    assert f"'</s>' ({STRUCK})" in kept.text
    assert str(1 << 30) in beyond.text


def test_without_the_file_config_json_says_the_ends(tmp_path: Path) -> None:
    source = source_with(None, tmp_path)
    change_json(source / "config.json", lambda c: c.update(eos_token_id=[EOS, 300]))
    assert [one.code for one in plan_of(source).warnings] == ["ends"]


def test_wishes_that_arent_carried_out_are_reported(tmp_path: Path) -> None:
    wishes = {"suppress_tokens": [5], "bad_words_ids": [[6]], "repetition_penalty": 1.2}
    nothing = {"begin_suppress_tokens": None, "min_length": 0, "no_repeat_ngram_size": 0}
    (warning,) = plan_of(source_with(wishes | nothing, tmp_path)).warnings
    assert warning.code == "generation"
    assert "has suppress_tokens, bad_words_ids, repetition_penalty, which" in warning.text
