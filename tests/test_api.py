"""The door: a loaded model answers, in pieces or whole, from any thread, and frees everything."""

from __future__ import annotations

import asyncio
import gc
import pickle  # noqa: TID251 - to show that it could be
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

from edge_med import MedGemma, Options, imaging
from edge_med.answers import Answer, End, Event, Piece, Progress
from edge_med.engine.slot import Slot
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import (
    ArtifactError,
    ContextOverflowError,
    EdgeMedError,
    ImageError,
    PromptError,
    UsageError,
)
from edge_med.messages import Message, TextPart
from edge_med.question import Question
from tests.conftest import Checkpoints, Models

SHORT = Options(max_new_tokens=5)
LONG = Options(max_new_tokens=8000, stop_loops=False, logit_bias={1: float("-inf")})


@pytest.fixture(scope="module")
def folder(model: Models) -> Path:
    return model("multimodal", "F32")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Iterator[MedGemma]:
    with MedGemma.load(folder, context=2048, threads=1) as loaded:
        yield loaded


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "chest.png"
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def pieces(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece))


def end(events: list[Event]) -> Answer:
    last = events[-1]
    assert isinstance(last, End)
    return last.answer


def test_the_pieces_of_a_stream_are_the_answer(tiny: MedGemma) -> None:
    events = list(tiny.stream("the heart", options=SHORT))
    assert pieces(events) == end(events).text
    assert [type(event) for event in events].count(End) == 1


def test_asking_is_joining_the_stream(tiny: MedGemma) -> None:
    streamed = end(list(tiny.stream("the lungs", options=SHORT)))
    assert tiny.ask("the lungs", options=SHORT).text == streamed.text


def test_an_image_is_seen_from_a_path_bytes_pillow_an_array_and_a_picture(
    tiny: MedGemma, photo: Path
) -> None:
    own = photo.with_name("own.png")
    Image.open(photo).rotate(180).save(own)  # no other test has had it encoded
    files = [own, str(own), own.read_bytes()]
    forms = [*files, Image.open(own), np.asarray(Image.open(own)), imaging.open(own, side=56)]
    answers = [tiny.ask("what is it", image=form, options=SHORT) for form in forms]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert all(answer.usage.image == 4 for answer in answers)
    assert answers[0].timings.encode > 0
    assert all(answer.timings.encode == 0 for answer in answers[1:]), "encoded once"


def test_a_follow_up_computes_only_itself(tiny: MedGemma, photo: Path) -> None:
    first = tiny.ask("what is it", image=photo, options=SHORT)
    again: list[dict[str, object]] = [
        {"role": "user", "content": [{"type": "image", "image": photo}, text("what is it")]},
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": "and the heart"},
    ]
    second = tiny.ask(again, options=SHORT)
    assert second.usage.cached >= first.usage.prompt
    assert second.usage.prompt - second.usage.cached < 30


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_one_changed_pixel_is_another_image(tiny: MedGemma) -> None:
    pixels = np.full((56, 56, 3), 120, dtype=np.uint8)
    tiny.ask("x", image=pixels, options=SHORT)
    pixels[30, 30, 0] += 1
    assert tiny.ask("x", image=pixels, options=SHORT).timings.encode > 0


def test_progress_comes_before_the_answer(tiny: MedGemma) -> None:
    noise = np.random.default_rng(9).integers(0, 256, (56, 56, 3), dtype=np.uint8)
    events = list(tiny.stream("x " * 700, image=noise, options=SHORT))
    stages = [event.stage for event in events if isinstance(event, Progress)]
    assert {"encode", "read"} <= set(stages)
    reads = [e for e in events if isinstance(e, Progress) and e.stage == "read"]
    assert [e.done for e in reads] == sorted(e.done for e in reads)
    assert reads[-1].done == reads[-1].total


def test_an_answer_says_where_it_comes_from(tiny: MedGemma, photo: Path) -> None:
    options = Options(max_new_tokens=3, fit="stretch", temperature=1.0)
    answer = tiny.ask("x", image=photo, options=options)
    provenance = answer.provenance
    assert (provenance.quant, provenance.fit, provenance.device) == ("F32", "stretch", "cpu")
    assert provenance.options == options
    again = Options(max_new_tokens=3, fit="stretch", temperature=1.0, seed=provenance.seed)
    assert tiny.ask("x", image=photo, options=again).text == answer.text
    assert re.fullmatch("[0-9a-f]{64}", provenance.model_sha256 or "")


def test_logprobs_are_told_for_each_token(tiny: MedGemma) -> None:
    answer = tiny.ask("x", options=Options(max_new_tokens=4, logprobs=3))
    assert answer.logprobs is not None
    assert len(answer.logprobs) == answer.usage.answer
    for token in answer.logprobs:
        assert token.top[0].id == token.id, "greedy"
        assert token.top[0].logprob == token.logprob >= token.top[1].logprob


def test_the_length_and_a_stop_text_end_an_answer(tiny: MedGemma) -> None:
    answer = tiny.ask("the heart", options=Options(max_new_tokens=12))
    assert answer.finish_reason == "length"
    stop = answer.text[4:9]
    cut = tiny.ask("the heart", options=Options(max_new_tokens=12, stop=(stop,)))
    assert (cut.text, cut.finish_reason) == (answer.text[: answer.text.index(stop)], "stop_string")


def test_a_stop_token_ends_an_answer(tiny: MedGemma) -> None:
    free = tiny.ask("the heart", options=Options(max_new_tokens=12, logprobs=1))
    assert free.logprobs is not None
    third = free.logprobs[2].id
    answer = tiny.ask("the heart", options=Options(max_new_tokens=12, stop_ids=(third,)))
    assert answer.finish_reason == "stop"
    assert answer.usage.answer <= 2


def test_a_banned_token_does_not_come(tiny: MedGemma) -> None:
    free = tiny.ask("the heart", options=Options(max_new_tokens=1, logprobs=1))
    assert free.logprobs is not None
    bias = {free.logprobs[0].id: float("-inf")}
    other = tiny.ask("the heart", options=Options(max_new_tokens=1, logprobs=1, logit_bias=bias))
    assert other.logprobs is not None
    assert other.logprobs[0].id != free.logprobs[0].id


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """All tokens that the engine writes; the context would take 2,048."""
    tokens: list[int] = []
    decode_one = Slot.decode_one

    def counted(slot: Slot, token: int) -> None:
        tokens.append(token)
        decode_one(slot, token)

    monkeypatch.setattr(Slot, "decode_one", counted)
    return tokens


def test_leaving_a_stream_ends_the_answer(tiny: MedGemma, written: list[int]) -> None:
    for event in tiny.stream("the heart", options=LONG):
        if isinstance(event, Piece):
            break
    tiny.ask("x", options=SHORT)
    assert 0 < len(written) < 300


def test_cancel_from_another_thread_ends_the_answer(tiny: MedGemma) -> None:
    events: list[Event] = []
    for event in tiny.stream("the heart", options=LONG):
        events.append(event)
        if isinstance(event, Piece) and len(events) < 20:
            threading.Thread(target=tiny.cancel).start()
    assert end(events).finish_reason == "cancelled"
    assert 0 < end(events).usage.answer < 1000


def test_calls_from_many_threads_queue(tiny: MedGemma) -> None:
    alone = {word: tiny.ask(word, options=SHORT).text for word in ("heart", "lungs", "ribs")}
    found: dict[tuple[int, str], str] = {}

    def ask(number: int) -> None:
        for word in alone:
            found[number, word] = tiny.ask(word, options=SHORT).text

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(n, w): alone[w] for n in range(6) for w in alone} == found


def test_asyncio(tiny: MedGemma) -> None:
    async def several() -> list[Answer]:
        return await asyncio.gather(*(tiny.ask_async("the heart", options=SHORT) for _ in range(3)))

    answers = asyncio.run(several())
    assert {answer.text for answer in answers} == {tiny.ask("the heart", options=SHORT).text}


def test_cancelling_a_task_ends_its_answer(tiny: MedGemma, written: list[int]) -> None:
    async def impatient() -> None:
        await asyncio.wait_for(tiny.ask_async("the heart", options=LONG), timeout=0.1)

    with pytest.raises(TimeoutError):
        asyncio.run(impatient())
    tiny.ask("x", options=SHORT)
    assert len(written) < 1500


def test_a_prompt_that_does_not_fit_says_by_how_much(tiny: MedGemma) -> None:
    words = "the " * 3000
    count = tiny.count(words).prompt
    with pytest.raises(ContextOverflowError, match=f"{count - 2048} tokens too long"):
        tiny.ask(words)


def test_a_text_is_tokenized_as_the_tokenizers_package_does(
    tiny: MedGemma, checkpoint: Checkpoints
) -> None:
    theirs = Tokenizer.from_file(str(checkpoint("multimodal") / "tokenizer.json"))
    for text in ("is the heart large", "é😀 x", ""):
        assert list(tiny.tokenize(text)) == theirs.encode(text, add_special_tokens=False).ids


def test_a_control_token_in_a_text_stays_text(tiny: MedGemma) -> None:
    assert len(tiny.tokenize("<end_of_turn>")) > 1


def test_tokens_are_counted_with_images(tiny: MedGemma, photo: Path) -> None:
    plain, shown = tiny.count("x"), tiny.count("x", images=[photo])
    assert (plain.image, shown.image) == (0, 4)
    assert shown.prompt > plain.prompt + 4
    answer = tiny.ask("x", image=photo, options=SHORT)
    assert answer.usage.prompt == shown.prompt


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ([{"role": "user", "content": None}], PromptError),
        ([{"role": "nurse", "content": "x"}], PromptError),
        ([{"role": "user", "content": 5}], PromptError),
        ([{"role": "user", "content": [{"type": "image"}]}], PromptError),
        ([{"role": "user", "content": [{"type": "image", "url": "http://x"}]}], ImageError),
        ([{"role": "user", "content": [{"type": "image", "image": b"nonsense"}]}], ImageError),
    ],
)
def test_what_is_no_conversation_is_refused(
    prompt: object, error: type[EdgeMedError], tiny: MedGemma
) -> None:
    with pytest.raises(error):
        tiny.ask(prompt)  # type: ignore[arg-type]


def test_an_image_for_a_model_that_cannot_see_is_an_error(model: Models, photo: Path) -> None:
    with (
        MedGemma.load(model("text", "F32"), context=512, threads=1) as blind,
        pytest.raises(ImageError, match="can't see"),
    ):
        blind.ask("x", image=photo)


def test_an_option_that_can_not_be_had_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="parallel"):
        MedGemma.load(folder, parallel=2)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ArtifactError, UsageError)):
        MedGemma.load(tmp_path / "none.gguf")


def test_a_closed_model_says_so(folder: Path) -> None:
    loaded = MedGemma.load(folder, context=256, threads=1)
    loaded.close()
    loaded.close()
    with pytest.raises(UsageError, match="closed"):
        loaded.ask("x")


def test_a_model_that_is_forgotten_ends_its_thread(folder: Path) -> None:
    before = threading.active_count()
    loaded = MedGemma.load(folder, context=256, threads=1)
    assert threading.active_count() == before + 1
    del loaded
    gc.collect()
    assert threading.active_count() == before


def test_importing_loads_nothing_heavy() -> None:
    program = (
        "import sys, edge_med; "
        "print([m for m in ('numpy', 'PIL', 'llama_cpp', 'click') if m in sys.modules])"
    )
    done = run_python(program)
    assert done.stdout == b"[]\n"


def run_python(program: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def test_requests_and_events_can_be_pickled(tiny: MedGemma, photo: Path) -> None:
    messages = tiny.messages("x", image=photo)
    request = GenerateRequest(Question(messages, Options(logit_bias={3: 1.0})))
    assert pickle.loads(pickle.dumps(request)) == request
    events = list(tiny.stream("x", options=SHORT))
    assert pickle.loads(pickle.dumps(events)) == events
    error = PromptError("message", "hint")
    assert pickle.loads(pickle.dumps(error)).hint == "hint"


def test_messages_of_ours_are_taken_as_they_are(tiny: MedGemma) -> None:
    messages = [Message("user", (TextPart("the heart"),))]
    assert tiny.ask(messages, options=SHORT).text == tiny.ask("the heart", options=SHORT).text
