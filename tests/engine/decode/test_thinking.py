"""Thought and answer come apart, whatever a model does with its marks; the tokens are scripted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from devtools.checkpoints.tokenizer import tiny_tokenizer
from edge_med import imaging
from edge_med.answers import Piece
from edge_med.config import Options
from edge_med.engine.decode.thinking import instructed
from edge_med.engine.engine import Engine
from edge_med.engine.prompt import compose
from edge_med.errors import ContextOverflowError
from edge_med.messages import ImagePart, Message, TextPart
from tests.engine.scripted import QUESTION, Script, ask, ended

OPEN, CLOSE, TURN = "<unused94>", "<unused95>", "<end_of_turn>"
CIRCLE = [" heart"] * 200
SAYS = [" the answer is pneumonia", TURN]

Case = tuple[list[str], Options, str | None, str, str, bool]
"""What the model writes; options; thought, answer, why it ended, whether the thought was cut."""

AUTO, OFF = Options(), Options(think="off")
ANSWER = "the answer is pneumonia"

CASES: dict[str, Case] = {
    "no thought": ([ANSWER, TURN], AUTO, None, ANSWER, "stop", False),
    "a thought": ([OPEN, "fever", CLOSE, ANSWER, TURN], AUTO, "fever", ANSWER, "stop", False),
    "its label is left out": (
        [OPEN, "thought\nfever", CLOSE, ANSWER, TURN],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        False,
    ),
    "half a label": ([OPEN, "thou", CLOSE, ANSWER, TURN], AUTO, "thou", ANSWER, "stop", False),
    "a label later on": (
        [OPEN, "a thought\n", CLOSE, ANSWER, TURN],
        AUTO,
        "a thought\n",
        ANSWER,
        "stop",
        False,
    ),
    "white space before the answer": (
        [OPEN, "fever", CLOSE, "\n\n", *SAYS],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        False,
    ),
    "closed at once": ([OPEN, CLOSE, ANSWER, TURN], AUTO, "", ANSWER, "stop", False),
    "text before it": (
        ["well. ", OPEN, "fever", CLOSE, ANSWER, TURN],
        AUTO,
        "fever",
        f"well. {ANSWER}",
        "stop",
        False,
    ),
    "opened inside JSON": (
        ['{"a": ', OPEN, "fever", CLOSE, "1}", TURN],
        AUTO,
        "fever",
        '{"a": 1}',
        "stop",
        False,
    ),
    "opened twice": (
        [OPEN, "fever", OPEN, " cough", CLOSE, ANSWER, TURN],
        AUTO,
        "fever cough",
        ANSWER,
        "stop",
        False,
    ),
    "closed twice": (
        [OPEN, "fever", CLOSE, CLOSE, ANSWER, TURN],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        False,
    ),
    "a second thought is refused": (
        [OPEN, "fever", CLOSE, "the answer", OPEN, " is pneumonia", TURN],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        False,
    ),
    "closed without being opened": ([CLOSE, ANSWER, TURN], AUTO, None, ANSWER, "stop", False),
    "the turn ends inside it": (
        [OPEN, "fever", TURN, ANSWER, TURN],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        True,
    ),
    "the text ends inside it": (
        [OPEN, "fever", "<eos>", ANSWER, TURN],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        True,
    ),
    "the turn ends at once": ([OPEN, TURN, ANSWER, TURN], AUTO, "", ANSWER, "stop", True),
    "the turn ends after it, unanswered": (
        [OPEN, "fever", CLOSE, TURN, TURN, ANSWER, TURN],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        False,
    ),
    "the turn ends after white space": (
        [OPEN, "fever", CLOSE, "\n", TURN, *SAYS],
        AUTO,
        "fever",
        ANSWER,
        "stop",
        False,
    ),
    "it runs in circles": (
        [OPEN, *CIRCLE[:128], *SAYS],
        AUTO,
        " heart" * 128,
        ANSWER,
        "stop",
        True,
    ),
    "it is not there": ([OPEN, ANSWER, TURN], OFF, None, ANSWER, "stop", False),
    "a stop text inside it": (
        [OPEN, "fever", CLOSE, ANSWER, TURN],
        Options(stop=("ever", " is")),
        "fever",
        "the answer",
        "stop_string",
        False,
    ),
    "the answer repeats itself": (
        [OPEN, "fever", CLOSE, *CIRCLE],
        AUTO,
        "fever",
        ("heart" + " heart" * 127),
        "loop",
        False,
    ),
    "only white space follows": (
        [OPEN, "fever", CLOSE, *["\n"] * 40],
        Options(max_new_tokens=10),
        "fever",
        "",
        "length",
        False,
    ),
    "nothing but white space follows a cut": (
        [OPEN, "fever", TURN, *["\n"] * 40],
        Options(max_new_tokens=10),
        "fever",
        "",
        "thought_budget",
        True,
    ),
}


def tokens(engine: Engine, parts: list[str]) -> list[int]:
    """Control tokens by name, everything else as text."""
    marks = {OPEN, CLOSE, TURN, "<eos>"}
    return [
        token
        for part in parts
        for token in (
            [tiny_tokenizer().id(part)] if part in marks else engine.model.vocabulary.tokenize(part)
        )
    ]


@pytest.mark.parametrize("name", CASES)
def test_thought_and_answer_come_apart(name: str, engine: Engine, script: Script) -> None:
    parts, options, thought, text, reason, cut = CASES[name]
    script(tokens(engine, parts))
    answer = ended(ask(engine, options))
    assert (answer.thought, answer.text, answer.finish_reason) == (thought, text, reason)
    assert ("thought_ended" in [notice.code for notice in answer.notices]) == cut


def test_think_budget_closes_the_thought_before_the_answer(engine: Engine, script: Script) -> None:
    words = tokens(engine, ["the heart is not enlarged there is no effusion"])
    script([*tokens(engine, [OPEN]), *words[:5], *tokens(engine, [ANSWER, TURN])])
    answer = ended(ask(engine, Options(think_budget=5)))
    assert (answer.text, answer.finish_reason, answer.usage.thought) == (ANSWER, "stop", 5)
    assert engine.slot.ledger.items[answer.usage.prompt + 6] == tiny_tokenizer().id(CLOSE)


def test_a_thought_leaves_room_for_the_answer(engine: Engine, script: Script) -> None:
    script(tokens(engine, [OPEN, *([" heart is"] * 200)]))
    answer = ended(ask(engine, Options(stop_loops=False)))
    assert answer.finish_reason == "length"
    assert answer.usage.answer == engine.options.context // 4


def test_the_budget_of_a_thought_is_not_the_answers(engine: Engine, script: Script) -> None:
    script(tokens(engine, [OPEN, "the heart is not enlarged", CLOSE, " x", " y", " z"]))
    answer = ended(ask(engine, Options(max_new_tokens=3)))
    assert (answer.usage.answer, answer.finish_reason) == (3, "length")


def test_every_token_is_in_a_piece_once_marks_among_the_thoughts(
    engine: Engine, script: Script
) -> None:
    written = tokens(engine, ["well ", OPEN, "thought\nfever", CLOSE, "\n pneumonia"])
    script([*written, *tokens(engine, [TURN])])
    pieces = [event for event in ask(engine) if isinstance(event, Piece)]
    assert [token for piece in pieces for token in piece.ids] == written


@given(
    parts=strategies.lists(
        strategies.sampled_from([OPEN, CLOSE, TURN, "\n", "fever", " is"]), max_size=30
    )
)
@settings(max_examples=60)
def test_an_empty_answer_says_why(parts: list[str], engine: Engine, script: Script) -> None:
    script(tokens(engine, [*parts, *([" x", TURN] * 40)]))
    answer = ended(ask(engine, Options(think_budget=8, max_new_tokens=16)))
    silent = answer.thought is None and answer.finish_reason == "stop"
    assert answer.text or silent or answer.finish_reason in ("length", "loop", "thought_budget")


def test_thinking_is_asked_for_in_the_notebooks_words() -> None:
    system = Message("system", (TextPart("You are a helpful medical assistant."),))
    shown = instructed((system, *QUESTION), Options(think="on"))
    assert [(message.role, message.text) for message in shown] == [
        (
            "system",
            "SYSTEM INSTRUCTION: think silently if needed. You are a helpful medical assistant.",
        ),
        ("user", QUESTION[0].text),
    ]


def test_thinking_is_asked_for_without_a_role(engine: Engine) -> None:
    asked = compose(engine.model, instructed(QUESTION, Options(think="on")))
    plain = compose(engine.model, QUESTION)
    instruction = engine.model.vocabulary.tokenize("SYSTEM INSTRUCTION: think silently if needed.")
    assert len(asked) == len(plain) + len(instruction) + 1  # one blank line


def test_what_it_is_not_for_is_said_with_the_first_answer_alone(engine: Engine) -> None:
    said = [[n.code for n in ended(ask(engine, Options(max_new_tokens=1))).notices] for _ in "ab"]
    assert said == [["research_only"], []]


def test_several_turns_are_answered_with_one_notice_of_the_models_limits(engine: Engine) -> None:
    turns = (*QUESTION, Message("assistant", (TextPart("no"),)), *QUESTION)
    ask(engine, Options(max_new_tokens=1))
    answers = [ended(ask(engine, Options(max_new_tokens=1), messages=turns)) for _ in "ab"]
    assert [[n.code for n in a.notices] for a in answers] == [["single_image_single_turn"], []]


def test_a_thought_of_nothing_but_marks_is_closed_by_its_budget(
    engine: Engine, script: Script
) -> None:
    script(tokens(engine, [*([OPEN] * 9), ANSWER, TURN]))
    answer = ended(ask(engine, Options(think_budget=8)))
    assert (answer.text, answer.thought, answer.finish_reason) == (ANSWER, "", "stop")


def test_a_thought_leaves_the_answer_its_share_of_the_longest_output(
    engine: Engine, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_med.engine.decode.answer_state.LONGEST_ANSWER", 40)
    script(tokens(engine, [OPEN, *([" heart is"] * 200)]))
    answer = ended(ask(engine, Options(think_budget=8192, max_new_tokens=16, stop_loops=False)))
    assert (answer.usage.answer, answer.finish_reason) == (16, "length")


def test_an_answer_after_a_cut_thought_that_meets_its_stop_text_says_so(
    engine: Engine, script: Script
) -> None:
    script(tokens(engine, [OPEN, "fever", TURN, ANSWER]))
    answer = ended(ask(engine, Options(stop=("the",))))
    assert (answer.text, answer.finish_reason) == ("", "stop_string")


def test_a_picture_in_a_system_text_is_not_lost_to_the_instruction() -> None:
    picture = ImagePart(imaging.open(np.zeros((8, 8, 3), np.uint8), side=8))
    (system, *_rest) = instructed((Message("system", (picture,)), *QUESTION), Options(think="on"))
    assert system.pictures == (picture.picture,)


def test_a_first_call_that_fails_does_not_use_the_notice_up(engine: Engine) -> None:
    with pytest.raises(ContextOverflowError):
        ask(engine, messages=(Message("user", (TextPart("the " * 300),)),))
    assert "research_only" in [
        n.code for n in ended(ask(engine, Options(max_new_tokens=1))).notices
    ]
