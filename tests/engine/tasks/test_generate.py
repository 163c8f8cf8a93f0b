"""An answer comes in pieces, and ends for a reason; the tokens here are scripted."""

from __future__ import annotations

import numpy as np
import pytest

from devtools.checkpoints.tokenizer import tiny_tokenizer
from edge_med.answers import Event, Notice, Piece
from edge_med.config import LoadOptions, Options
from edge_med.engine.engine import Engine
from edge_med.engine.slot import Slot
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import ContextOverflowError, EngineError
from edge_med.messages import Message, TextPart
from edge_med.question import Question
from tests.conftest import Models
from tests.engine.scripted import QUESTION, Script, ask, ended
from tests.engine.scripted import answer as answer_with


@pytest.mark.parametrize("name", ["<end_of_turn>", "<eos>"])
def test_the_end_of_the_turn_ends_the_answer(name: str, engine: Engine, script: Script) -> None:
    heart = engine.model.vocabulary.tokenize(" heart")
    script([*heart, tiny_tokenizer().id(name)])
    answer = ended(ask(engine))
    assert (answer.text, answer.finish_reason) == (" heart", "stop")
    assert answer.usage.answer == len(heart)


def test_an_answer_is_cut_at_its_length(engine: Engine) -> None:
    answer = ended(ask(engine, Options(max_new_tokens=5)))
    assert (answer.finish_reason, answer.usage.answer) == ("length", 5)


def test_an_answer_that_fills_the_context_says_so(engine: Engine) -> None:
    answer = ended(ask(engine, Options(stop_loops=False)))
    assert answer.finish_reason == "length"
    assert answer.usage.prompt + answer.usage.answer == 256 + 1  # the last one needs no place


def test_a_character_that_is_not_whole_is_held_back(engine: Engine, script: Script) -> None:
    euro = [tiny_tokenizer().id(f"<0x{byte:02X}>") for byte in "€".encode()]
    script([*euro, *euro[:2]])
    events = ask(engine, Options(max_new_tokens=5))
    pieces = [(e.text, e.ids) for e in events if isinstance(e, Piece)]
    assert pieces == [("€", tuple(euro)), ("\ufffd", tuple(euro[:2]))]


def test_a_stop_text_across_tokens_ends_the_answer_and_is_cut_off(
    engine: Engine, script: Script
) -> None:
    tokens = engine.model.vocabulary.tokenize("the heart is not enlarged")
    script(tokens)
    answer = ended(ask(engine, Options(stop=("rt is",))))
    assert (answer.text, answer.finish_reason) == ("the hea", "stop_string")


def test_markup_does_not_end_an_answer(engine: Engine, script: Script) -> None:
    strike, heart = tiny_tokenizer().id("</s>"), engine.model.vocabulary.tokenize(" heart")
    script([*heart, strike, *heart])
    answer = ended(ask(engine, Options(max_new_tokens=2 * len(heart) + 1)))
    assert answer.text == " heart</s> heart"


def test_an_answer_that_repeats_itself_is_ended_and_that_is_said(
    engine: Engine, script: Script
) -> None:
    heart = engine.model.vocabulary.tokenize(" heart")
    script(heart * 200)
    events = ask(engine)
    answer = ended(events)
    assert answer.finish_reason == "loop"
    assert [notice.code for notice in answer.notices] == ["research_only", "loop"]
    assert [event for event in events if isinstance(event, Notice)] == list(answer.notices)


def test_an_answer_that_ends_at_once_is_told_as_empty(engine: Engine, script: Script) -> None:
    script([tiny_tokenizer().id("<end_of_turn>")])
    answer = ended(ask(engine))
    assert (answer.text, answer.finish_reason) == ("", "stop")
    assert "empty" in [notice.code for notice in answer.notices]


def test_stop_is_heeded_before_the_next_token(engine: Engine) -> None:
    events: list[Event] = []
    written = lambda: sum(isinstance(event, Piece) for event in events) >= 2  # noqa: E731
    answer_with(engine, GenerateRequest(Question(QUESTION, Options())), events.append, written)
    answer = ended(events)
    assert (answer.finish_reason, answer.usage.answer) == ("cancelled", 2)


def test_stop_is_heeded_while_the_prompt_is_read(engine: Engine) -> None:
    answer = ended(ask(engine, stop=lambda: True))
    assert (answer.finish_reason, answer.usage.answer, answer.text) == ("cancelled", 0, "")
    assert engine.slot.ledger.items == []
    assert ended(ask(engine, Options(max_new_tokens=2))).usage.cached == 0


def test_a_prompt_that_does_not_fit_says_by_how_much(engine: Engine) -> None:
    long = (Message("user", (TextPart("the " * 300),)),)
    with pytest.raises(ContextOverflowError, match="tokens too long for a context of 256"):
        ask(engine, messages=long)


def test_after_a_failure_everything_is_read_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ended(ask(engine, Options(max_new_tokens=3)))

    def fail(*_: object, **__: object) -> None:
        raise EngineError("It broke.", "Try again.")

    more = (*QUESTION, Message("assistant", (TextPart("x"),)), *QUESTION)
    with monkeypatch.context() as broken:
        broken.setattr(engine.slot.cells, "decode", fail)
        with pytest.raises(EngineError):
            ask(engine, messages=more)
    again = ended(ask(engine, Options(max_new_tokens=3)))
    assert (again.usage.cached, again.text) == (0, first.text)


def test_logits_that_are_kept_are_those_of_the_prompt(model: Models) -> None:
    options = LoadOptions(context=1024, batch=64, threads=1)
    engine = Engine(model("text", "F32") / "text-F32.gguf", None, options)
    ids = engine.model.vocabulary.tokenize("the heart is not enlarged")
    engine.slot.prefill(ids)
    seen = engine.slot.logits().copy()
    engine.slot.save_checkpoint(logits=True)
    engine.slot.decode_one(ids[0])
    reading = engine.slot.prefill(ids)
    assert reading.cached == reading.prompt == len(ids)
    assert np.array_equal(engine.slot.logits(), seen)
    engine.slot.decode_one(ids[0])
    assert not np.array_equal(engine.slot.logits(), seen)
    engine.close()


def test_an_answer_of_one_token_leaves_one_place_to_be_written_anew(
    engine: Engine, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second step ends it, and is no place of its own."""
    kept: list[tuple[bool, int]] = []

    def keep(slot: Slot, *, logits: bool) -> None:
        kept.append((logits, slot.ledger.position))

    monkeypatch.setattr(Slot, "save_checkpoint", keep)
    heart = engine.model.vocabulary.tokenize(" heart")[:1]
    script([*heart, engine.model.vocabulary.required("<end_of_turn>")])
    ended(ask(engine))
    prompt = kept[0][1]
    assert kept == [(True, prompt), (False, prompt + 1)]
