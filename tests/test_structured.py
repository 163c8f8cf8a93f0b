"""Answers by a schema or a grammar, through the door: with images, streamed, and cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from devtools.checkpoints.tokenizer import tiny_tokenizer
from devtools.schemas import SCHEMAS
from edge_med import MedGemma, Options
from edge_med.answers import End, Notice, Piece
from edge_med.engine.decode import answer_state
from edge_med.engine.decode.sampling import Sampler, TokenRule
from edge_med.engine.llama.arrays import Floats
from edge_med.errors import SchemaError, UsageError
from tests.conftest import Models

PIXELS = np.full((56, 56, 3), 120, dtype=np.uint8)
OPEN = tiny_tokenizer().id("<unused94>")
THINKS = Options(logit_bias={OPEN: 1e4}, think_budget=8)
WHOLE = Options(max_new_tokens=900, think="off", stop_loops=False, temperature=1.0, seed=3)


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("multimodal", "F32"), context=2048, threads=1) as loaded:
        yield loaded


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_about_an_image_fits_its_schema(name: str, tiny: MedGemma) -> None:
    options = replace(WHOLE, schema=SCHEMAS[name])
    answer = tiny.ask("what is it", image=PIXELS, options=options)
    assert answer.finish_reason == "stop"
    assert answer.usage.image == 4
    assert isinstance(answer.parsed, list if name == "boxes" else dict)


def test_a_streamed_answer_is_the_text_that_was_parsed(tiny: MedGemma) -> None:
    events = list(tiny.stream("the heart", options=replace(WHOLE, schema=SCHEMAS["boxes"])))
    last = events[-1]
    assert isinstance(last, End)
    assert "".join(e.text for e in events if isinstance(e, Piece)) == last.answer.text
    assert last.answer.parsed[0].keys() == {"box_2d", "label"}


def test_the_schema_is_part_of_the_prompt(tiny: MedGemma) -> None:
    schema = {"enum": ["yes", "no"]}
    plain = tiny.count("is it large").prompt
    answer = tiny.ask("is it large", options=Options(schema=schema))
    assert answer.usage.prompt > plain + 10
    assert answer.parsed in ("yes", "no")


def test_an_answer_after_a_thought_has_its_form(tiny: MedGemma) -> None:
    options = replace(THINKS, grammar='root ::= "yes" | "no"')
    answer = tiny.ask("is it large", options=options)
    assert answer.thought is not None
    assert answer.text in ("yes", "no")


def test_an_answer_by_a_grammar_has_its_form_and_no_value(tiny: MedGemma) -> None:
    answer = tiny.ask("is it large", options=Options(grammar='root ::= "yes" | "no"'))
    assert answer.text in ("yes", "no")
    assert (answer.finish_reason, answer.parsed) == ("stop", None)


@pytest.mark.parametrize("form", [{"schema": SCHEMAS["report"]}, {"grammar": 'root ::= "a"{90}'}])
def test_an_answer_that_is_cut_off_is_an_error_that_keeps_it(
    form: dict[str, Any], tiny: MedGemma
) -> None:
    with pytest.raises(SchemaError, match="cut off") as caught:
        tiny.ask("x", options=Options(max_new_tokens=9, **form))
    assert caught.value.text
    assert tiny.ask("x", options=Options(max_new_tokens=1)).usage.answer == 1


def test_a_value_that_is_no_schema_is_refused_with_what_could_be() -> None:
    with pytest.raises(UsageError, match="type list") as caught:
        Options(schema=[1])
    assert "pydantic" in caught.value.hint


def test_a_form_that_cannot_be_used_says_so_before_anything_is_read(tiny: MedGemma) -> None:
    with pytest.raises(SchemaError, match="no rule root"):
        tiny.ask("x", options=Options(grammar='other ::= "a"'))
    with pytest.raises(UsageError, match="schema and a grammar"):
        Options(schema={"type": "string"}, grammar="root ::= .")


def test_a_form_that_is_complete_with_the_last_token_is_whole(tiny: MedGemma) -> None:
    options = Options(grammar='root ::= "xyz" | "zyx"', think="off")
    written = tiny.ask("is it large", options=options).usage.answer
    answer = tiny.ask("is it large", options=replace(options, max_new_tokens=written))
    assert (answer.text in ("xyz", "zyx"), answer.finish_reason) == (True, "stop")


def test_a_form_that_a_stop_text_cuts_is_an_error(tiny: MedGemma) -> None:
    options = Options(grammar='root ::= "yes no"', think="off", stop=("no",))
    with pytest.raises(SchemaError, match="stop_string") as caught:
        tiny.ask("is it large", options=options)
    assert caught.value.text == "yes "


def test_a_thought_can_not_be_opened_inside_a_form(tiny: MedGemma) -> None:
    options = replace(THINKS, grammar='root ::= " yes" " no"')
    answer = tiny.ask("is it large", options=options)
    assert answer.text == " yes no"
    assert answer.thought is not None


def test_a_conversation_with_thoughts_and_forms_keeps_the_answers_alone(tiny: MedGemma) -> None:
    options = replace(THINKS, think="on", schema={"enum": ["yes", "no"]})
    chat = tiny.chat("You are a helpful medical assistant.", options)
    answers = [chat.send("is it large"), chat.send("is it small")]
    assert all(answer.thought is not None for answer in answers)
    assert [turn.text for turn in chat.messages[2::2]] == [answer.text for answer in answers]


def opening(at: int) -> type[Sampler]:
    """A sampler whose choice of a token, counted from 1, would best open a thought."""

    class Opening(Sampler):
        count = 0

        def choose(self, logits: Floats, grammar: TokenRule | None = None) -> int:
            self.count += 1
            if self.count == at:
                logits = logits.copy()
                logits[OPEN] += 1e4
            return super().choose(logits, grammar)

    return Opening


def test_a_form_holds_where_a_thought_is_wanted_and_forbidden(tiny: MedGemma) -> None:
    options = replace(THINKS, think="off", schema={"const": "yes"})
    answer = tiny.ask("is it large", options=options)
    assert (answer.thought, answer.parsed) == (None, "yes")


def test_a_stop_text_cuts_the_form_after_a_thought_and_not_the_thought(
    tiny: MedGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_state, "Sampler", opening(1))
    options = Options(schema={"const": "yes"}, think_budget=8, temperature=1.0, seed=3)
    thought = tiny.ask("is it large", options=options).thought
    assert thought
    answer = tiny.ask("is it large", options=replace(options, stop=(thought[:1],)))
    assert (answer.thought, answer.parsed) == (thought, "yes")
    with pytest.raises(SchemaError, match="can't be read") as caught:
        tiny.ask("is it large", options=replace(options, stop=("s",)))
    assert caught.value.text == '"ye'


def test_log_probabilities_are_those_of_the_form_alone(tiny: MedGemma) -> None:
    options = replace(THINKS, schema={"const": "yes"}, logprobs=1)
    answer = tiny.ask("is it large", options=options)
    assert answer.logprobs is not None
    assert len(answer.logprobs) == answer.usage.answer
    assert "".join(token.text for token in answer.logprobs) == answer.text == '"yes"'
    assert answer.usage.thought == 8


def test_a_form_that_has_begun_is_not_left_for_a_thought(
    tiny: MedGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_state, "Sampler", opening(3))
    answer = tiny.ask("is it large", options=Options(schema={"const": [1, 2, 3]}))
    assert (answer.thought, answer.parsed) == (None, [1, 2, 3])


def test_an_answer_without_a_form_goes_on_after_a_thought(
    tiny: MedGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_state, "Sampler", opening(3))
    answer = tiny.ask("is it large", options=Options(think_budget=4, max_new_tokens=6))
    assert (answer.usage.thought, answer.usage.answer) == (4, 6)
    assert answer.thought is not None


def test_a_schema_error_has_the_whole_answer_with_its_notices(tiny: MedGemma) -> None:
    schema = {"type": "array", "items": {"type": "boolean"}, "minItems": 9, "uniqueItems": True}
    with pytest.raises(SchemaError) as caught:
        tiny.ask("x", options=Options(schema=schema, max_new_tokens=3))
    answer = caught.value.answer
    assert answer is not None
    assert (answer.text, answer.finish_reason) == (caught.value.text, "length")
    assert answer.notices[0].code == "schema_checked_at_last"


def test_a_streamed_answer_begins_with_what_is_to_be_known_of_its_schema(tiny: MedGemma) -> None:
    options = Options(schema={"schema": {"enum": ["yes", "no"]}})
    events = list(tiny.stream("is it large", options=options))
    assert isinstance(events[0], Notice)
    assert events[0].code == "schema_unwrapped"


def test_the_answer_of_a_schema_error_comes_from_the_same_files_as_others(tiny: MedGemma) -> None:
    good = tiny.ask("x", options=Options(max_new_tokens=1)).provenance
    with pytest.raises(SchemaError) as caught:
        tiny.ask("x", options=Options(schema=SCHEMAS["report"], max_new_tokens=3))
    assert caught.value.answer is not None
    found = caught.value.answer.provenance
    assert (found.model_sha256, found.integrity) == (good.model_sha256, good.integrity)
    assert found.integrity == "verified"
