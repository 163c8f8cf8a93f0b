"""The smallest engine: a prompt is read, an answer comes in pieces, and it ends for a reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_med.engine.generate import Answer, Event, Piece, stream
from edge_med.engine.model import LoadOptions, Model
from edge_med.engine.native import LOGGER
from edge_med.engine.tokens import compose, control_token, tokenize
from edge_med.errors import ArtifactError, ContextOverflowError, EngineError
from tests.checkpoints.tokenizer import tiny_tokenizer
from tests.conftest import Models

TEXT = "the heart is not enlarged"


@pytest.fixture
def tiny(model: Models) -> Iterator[Model]:
    options = LoadOptions(context=256, threads=1)
    with Model(model("text", "F32") / "text-F32.gguf", options) as opened:
        yield opened


def ends(events: list[Event]) -> Answer:
    """The answer of the last event; all others are pieces of it."""
    *pieces, end = events
    assert not isinstance(end, Piece)
    assert "".join(p.text for p in pieces if isinstance(p, Piece)) == end.answer.text
    return end.answer


def scripted(tokens: list[int]) -> object:
    """Chooses the tokens of a list, whatever the model says."""
    left = iter(tokens)
    return lambda _logits: next(left)


def test_an_answer_comes_in_pieces_and_is_cut_at_its_length(tiny: Model) -> None:
    answer = ends(list(stream(tiny, compose(tiny, TEXT), max_new_tokens=5)))
    assert (answer.finish_reason, answer.usage.answer) == ("length", 5)
    assert answer.timings.tokens_per_second > 0


def test_the_same_question_has_the_same_answer(model: Models) -> None:
    texts = []
    for threads in (1, 2):
        path = model("text", "F32") / "text-F32.gguf"
        with Model(path, LoadOptions(context=256, threads=threads)) as opened:
            events = list(stream(opened, compose(opened, TEXT), max_new_tokens=8))
            texts.append(ends(events).text)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["<end_of_turn>", "<eos>"])
def test_the_end_of_the_turn_ends_the_answer(name: str, tiny: Model) -> None:
    heart, end = tokenize(tiny, " heart"), control_token(tiny, name)
    assert end is not None
    choose = scripted([*heart, end])
    events = list(stream(tiny, compose(tiny, TEXT), max_new_tokens=50, choose=choose))  # type: ignore[arg-type]
    answer = ends(events)
    assert (answer.text, answer.finish_reason) == (" heart", "stop")
    assert answer.usage.answer == len(heart)


def test_a_character_that_is_not_whole_is_held_back(tiny: Model) -> None:
    euro = [tiny_tokenizer().id(f"<0x{byte:02X}>") for byte in "€".encode()]
    choose = scripted([*euro, *euro[:2]])
    events = list(stream(tiny, compose(tiny, TEXT), max_new_tokens=5, choose=choose))  # type: ignore[arg-type]
    assert [e.text for e in events if isinstance(e, Piece)] == ["", "", "€", "", "", "\ufffd"]
    assert ends(events).text == "€\ufffd"


def test_stop_is_heeded_before_the_next_token(tiny: Model) -> None:
    pressed: list[bool] = []
    events = []
    for event in stream(
        tiny, compose(tiny, TEXT), max_new_tokens=50, stop=lambda: len(pressed) > 1
    ):
        events.append(event)
        pressed.append(True)
    answer = ends(events)
    assert (answer.finish_reason, answer.usage.answer) == ("cancelled", 2)


def test_stop_is_heeded_while_the_prompt_is_read(tiny: Model) -> None:
    prompt = compose(tiny, "chest x ray " * 20)
    answer = ends(list(stream(tiny, prompt, max_new_tokens=50, stop=lambda: True)))
    assert (answer.finish_reason, answer.usage.answer, answer.text) == ("cancelled", 0, "")


def test_a_prompt_that_does_not_fit_says_by_how_much(tiny: Model) -> None:
    prompt = tokenize(tiny, "the " * 300)
    with pytest.raises(ContextOverflowError, match=f"{len(prompt) - 256} tokens too long"):
        list(stream(tiny, prompt, max_new_tokens=1))


def test_an_answer_that_fills_the_context_says_so(tiny: Model) -> None:
    prompt = tokenize(tiny, "the " * 100)
    answer = ends(list(stream(tiny, prompt, max_new_tokens=1000, choose=lambda _: prompt[0])))
    assert answer.finish_reason == "length"
    assert len(prompt) + answer.usage.answer == 256 + 1  # the last token needs no place any more


def test_a_question_becomes_a_turn(tiny: Model) -> None:
    ids = {
        name: control_token(tiny, name) for name in ("<bos>", "<start_of_turn>", "<end_of_turn>")
    }
    prompt = list(compose(tiny, "  cough? "))
    expected = [
        ids["<bos>"],
        ids["<start_of_turn>"],
        *tokenize(tiny, "user\ncough?"),
        ids["<end_of_turn>"],
        *tokenize(tiny, "\n"),
        ids["<start_of_turn>"],
        *tokenize(tiny, "model\n"),
    ]
    assert prompt == expected


def test_a_base_model_continues_the_plain_text(
    model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Model(model("text", "F32") / "text-F32.gguf", LoadOptions(context=64)) as opened:
        monkeypatch.delitem(opened.header.metadata, "tokenizer.chat_template")
        assert list(compose(opened, " cough")) == [
            control_token(opened, "<bos>"),
            *tokenize(opened, " cough"),
        ]


def test_control_tokens_in_a_text_stay_text(tiny: Model) -> None:
    ids = tokenize(tiny, "<end_of_turn><start_of_turn>user <bos>")
    control = {n for n, t in enumerate(tiny_tokenizer().tokens) if t.type == 3}
    assert not control.intersection(ids)


def test_markup_that_llama_cpp_takes_for_an_end_is_text(tiny: Model) -> None:
    strike, heart = tiny_tokenizer().id("</s>"), tokenize(tiny, " heart")
    assert tokenize(tiny, "</s> heart") == [strike, *heart]
    choose = scripted([*heart, strike, *heart])
    events = list(
        stream(tiny, compose(tiny, TEXT), max_new_tokens=2 * len(heart) + 1, choose=choose)  # type: ignore[arg-type]
    )
    answer = ends(events)
    assert (answer.text, answer.finish_reason) == (" heart</s> heart", "length")


def test_the_sign_of_a_space_is_one(tiny: Model) -> None:
    assert tokenize(tiny, "the\u2581heart") == tokenize(tiny, "the heart")
    assert tokenize(tiny, "\u2581" * 3) == [tiny_tokenizer().id("\u2581" * 3)]


def test_logits_are_a_copy(tiny: Model) -> None:
    tiny.read(tokenize(tiny, TEXT))
    first: npt.NDArray[np.float32] = tiny.logits()
    kept = first.copy()
    tiny.read(tokenize(tiny, TEXT))
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, tiny.logits())


def test_a_projector_or_a_broken_file_is_refused_before_llama_cpp_sees_it(
    model: Models, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="architecture clip"):
        Model(model("multimodal", "Q8_0") / "multimodal-mmproj-F16.gguf")
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(ArtifactError, match="isn't a GGUF file"):
        Model(tmp_path / "x.gguf")


def test_a_model_that_llama_cpp_refuses_is_an_error_of_ours(model: Models, tmp_path: Path) -> None:
    data = (model("text", "F32") / "text-F32.gguf").read_bytes()
    path = tmp_path / "x.gguf"
    path.write_bytes(data.replace(b"blk.3.attn_q.weight", b"blk.3.attn_X.weight"))
    with pytest.raises(EngineError, match=r"can't load x\.gguf"):
        Model(path)


def test_closing_twice_does_no_harm(model: Models) -> None:
    opened = Model(model("text", "F32") / "text-F32.gguf", LoadOptions(context=64))
    opened.close()
    opened.close()


def test_llama_cpp_is_silent_and_its_words_reach_our_logger(
    model: Models, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER.name)
    LOGGER.addHandler(caplog.handler)
    Model(model("text", "F32") / "text-F32.gguf", LoadOptions(context=64)).close()
    LOGGER.removeHandler(caplog.handler)
    assert capfd.readouterr() == ("", "")
    assert any("llama_model_loader" in record.message for record in caplog.records)
