"""Streamers say the same as the whole answer, piece by piece, and say why none comes."""

from __future__ import annotations

import queue
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devtools.golden.compat import IMAGE_ID, QUESTION, TEXT_ID
from edge_med import compat
from edge_med.compat.streamers import TextIteratorStreamer, TextStreamer
from edge_med.errors import PromptError, UsageError
from tests.compat.kit import PLACE

CHARACTERS = "a é\n字🩻"


class Bytes:
    """A tokenizer whose tokens are bytes, so that most characters are of several."""

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode(errors="replace")


def pieces(ids: list[int], *, prompt: list[int], skip: bool) -> list[str]:
    streamer = TextIteratorStreamer(Bytes(), skip_prompt=skip)
    streamer.put([prompt])
    for token in ids:
        streamer.put([token])
    streamer.end()
    return list(streamer)


@given(st.text(CHARACTERS), st.booleans())
def test_pieces_are_whole_characters_and_make_up_the_text(text: str, skip: bool) -> None:
    found = pieces(list(text.encode()), prompt=[*b"Is it?"], skip=skip)
    assert "".join(found) == ("" if skip else "Is it?") + text
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in found)


def test_what_ends_within_a_character_comes_as_it_is() -> None:
    assert "".join(pieces([*"é".encode()][:1], prompt=[], skip=True)) == "\N{REPLACEMENT CHARACTER}"


def test_a_streamer_prints_and_ends_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    streamer = TextStreamer(Bytes(), skip_prompt=True)
    for _ in range(2):  # it may be used again
        streamer.put([[*b"Is it?"]])
        streamer.put([*b"No."])
        streamer.end()
    assert capsys.readouterr().out == "No.\nNo.\n"


def test_a_batch_is_refused() -> None:
    with pytest.raises(PromptError, match="one prompt at a time"):
        TextStreamer(Bytes()).put([[1], [2]])


def test_a_text_that_does_not_come_in_time_is_told() -> None:
    with pytest.raises(queue.Empty):
        next(TextIteratorStreamer(Bytes(), timeout=0.01))


@pytest.mark.parametrize("made", ["model", "pipeline"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_the_thread_that_generates_reaches_the_loop(made: str, torch: Any) -> None:
    streamer = compat.TextIteratorStreamer(compat.AutoTokenizer.from_pretrained(TEXT_ID), timeout=9)
    pipe = compat.pipeline("text-generation", TEXT_ID)
    if made == "model":
        wrong = {"input_ids": torch.tensor([[2]]), "num_beams": 4, "streamer": streamer}
        thread = Thread(target=pipe.model.generate, kwargs=wrong)
    else:
        thread = Thread(target=pipe, args=(QUESTION,), kwargs={"beams": 4, "streamer": streamer})
    thread.start()
    with pytest.raises(UsageError, match="beams"):
        "".join(streamer)
    thread.join()


def test_images_that_do_not_fit_their_places_are_told_to_the_loop(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", IMAGE_ID)
    streamer = compat.TextIteratorStreamer(pipe.tokenizer, timeout=9)
    with pytest.raises(PromptError, match="given are 0"):
        pipe(text=PLACE, images=[], streamer=streamer)
    with pytest.raises(PromptError, match="given are 0"):
        next(streamer)


def test_what_is_no_streamer_is_refused(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID)
    with pytest.raises(UsageError, match="type list is no streamer"):
        pipe(QUESTION, streamer=[])


@pytest.mark.torch
def test_langchain_streams_with_transformers_streamer_and_criteria() -> None:
    from transformers import StoppingCriteriaList
    from transformers import TextIteratorStreamer as Theirs

    def stop_on_tokens(input_ids: Any, _scores: Any, **_kwargs: Any) -> bool:
        return any(input_ids[0][-1] == stop for stop in (None, 10**6))

    pipe = compat.pipeline("text-generation", TEXT_ID, max_new_tokens=5)
    streamer = Theirs(pipe.tokenizer, timeout=60.0, skip_prompt=True, skip_special_tokens=True)
    given = {
        "text_inputs": "The heart",
        "streamer": streamer,
        "stopping_criteria": StoppingCriteriaList([stop_on_tokens]),
    }
    thread = Thread(target=pipe, kwargs=given)
    thread.start()
    text = "".join(streamer)
    thread.join()
    assert text == pipe("The heart", return_full_text=False)[0]["generated_text"]


@pytest.mark.torch
def test_the_text_is_that_of_transformers_streamer() -> None:
    import torch
    from transformers import TextIteratorStreamer as Theirs

    tokenizer = compat.AutoTokenizer.from_pretrained(IMAGE_ID)
    ids = tokenizer("The heart \u00e9 \u5b57 \U0001fa7b is\nnot large.<end_of_turn>")["input_ids"]
    texts = []
    for kind in (Theirs, TextIteratorStreamer):
        streamer = kind(tokenizer, skip_prompt=True, skip_special_tokens=True)
        streamer.put(torch.tensor([[2]]))
        for token in ids:
            streamer.put(torch.tensor([token]))
        streamer.end()
        texts.append("".join(streamer))
    assert texts[0] == texts[1] == "The heart \u00e9 \u5b57 \U0001fa7b is\nnot large."
