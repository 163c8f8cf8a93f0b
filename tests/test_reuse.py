"""Changes of a long conversation with images: what is reused is right, and as much as can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import write_tiny
from devtools.checkpoints.tokenizer import tiny_tokenizer
from devtools.golden.numbers import CHECKPOINTS, pixels
from edge_med import Conversation, MedGemma, Options
from edge_med.answers import Answer
from edge_med.config import LoadOptions
from edge_med.engine.llama.sequence import Sequence as Cells
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.library import store
from edge_med.load_model import opened
from edge_med.messages import Message, TextPart
from edge_med.planner.latency import Estimates

WINDOW_CELLS = 256
"""Window and batch, rounded up (llama-kv-cache-iswa.cpp)."""

ENDS = ("<eos>", "<end_of_turn>", "</s>")
SHORT = Options(
    max_new_tokens=6,
    stop_loops=False,
    logprobs=1,
    logit_bias={tiny_tokenizer().id(name): float("-inf") for name in ENDS},
)
FILLER = "the heart is not enlarged and the lungs are clear "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sharp model: each token follows from what it attends to, so that a fault would show."""
    base = tmp_path_factory.mktemp("sharp")
    source = write_tiny(CHECKPOINTS["plain"], base / "checkpoint")
    convert(ConversionRequest(source=source, folder=base / "model", quants=("F32",)))
    return base / "model"


def load(folder: Path) -> MedGemma:
    """A model whose window cache is far smaller than its context: 32 and a batch of 64, in 256s."""
    options = LoadOptions(context=2048, threads=1, batch=64)
    found = store.find(folder)
    client, info = opened(found, options, (), None)
    return MedGemma(client, info, Estimates(found.text, options.threads))


@pytest.fixture(scope="module")
def tiny(folder: Path) -> Iterator[MedGemma]:
    with load(folder) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def other(folder: Path) -> Iterator[MedGemma]:
    """What answers afresh; nothing of `tiny` is in its cache."""
    with load(folder) as loaded:
        yield loaded


@pytest.fixture
def chat(tiny: MedGemma) -> Conversation:
    """Three turns with an image in the second; the window layers have long moved on."""
    chat = tiny.chat(options=SHORT)
    chat.send("first " + FILLER * 15)
    chat.send("second " + FILLER * 15, image=pixels("disc", 56))
    chat.send("third " + FILLER * 30)
    assert tiny.count(chat.messages).prompt > 2 * WINDOW_CELLS
    return chat


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions at which a window checkpoint was restored."""
    places: list[int] = []
    restore = Cells.restore_window

    def counted(cells: Cells, data: bytearray, position: int) -> None:
        places.append(position)
        restore(cells, data, position)

    monkeypatch.setattr(Cells, "restore_window", counted)
    return places


def said(answer: Answer) -> list[int]:
    return [token.id for token in answer.logprobs or ()]


def assert_right(answer: Answer, asked: Sequence[Message], tiny: MedGemma, other: MedGemma) -> None:
    """Another model, which has read something else, says the same."""
    other.ask("something else", options=SHORT)
    assert said(other.ask(asked, options=SHORT)) == said(answer)
    assert answer.usage.answer == SHORT.max_new_tokens
    assert answer.usage.prompt == tiny.count(asked).prompt
    assert answer.usage.cached < answer.usage.prompt


def test_an_edited_turn_finds_those_before_it(
    chat: Conversation, tiny: MedGemma, other: MedGemma, restored: list[int]
) -> None:
    before = tiny.count(chat.messages[:3]).prompt
    answer = chat.edit(-1, "fourth " + FILLER)
    assert answer.usage.cached >= before
    assert restored == [answer.usage.cached]
    assert_right(answer, chat.messages[:-1], tiny, other)


def test_after_undo_the_next_turn_finds_those_before_it(
    chat: Conversation, tiny: MedGemma, other: MedGemma, restored: list[int]
) -> None:
    chat.undo()
    before = tiny.count(chat.messages[:3]).prompt
    answer = chat.send("fifth " + FILLER)
    assert answer.usage.cached >= before
    assert restored == [answer.usage.cached]
    assert_right(answer, chat.messages[:-1], tiny, other)


def test_an_image_may_go_and_come_again(
    chat: Conversation, tiny: MedGemma, other: MedGemma
) -> None:
    shown = chat.messages[:-1]
    blind = [Message(m.role, (TextPart(m.text),)) for m in shown]
    before = tiny.count(shown[:1]).prompt
    for asked in (blind, shown):
        answer = tiny.ask(asked, options=SHORT)
        assert answer.usage.cached >= before
        assert answer.timings.encode == 0
        assert_right(answer, asked, tiny, other)


def test_an_image_is_encoded_once_for_all_conversations(tiny: MedGemma) -> None:
    first, second = tiny.chat("be brief", SHORT), tiny.chat("be kind", SHORT)
    shown = 255 - pixels("cross", 56)  # no other test shows it
    assert first.send("what is it", image=shown).timings.encode > 0
    answer = second.send("what is it", image=shown)
    assert answer.timings.encode == 0
    assert answer.usage.image == 4


def test_the_projector_is_opened_by_the_first_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    made = MtmdEncoder.__init__

    def counted(*arguments: Any) -> None:
        opened.append(1)
        made(*arguments)

    monkeypatch.setattr(MtmdEncoder, "__init__", counted)
    with load(folder) as fresh:
        assert fresh.ask("x", options=SHORT).timings.load == 0
        assert opened == []
        for name in ("disc", "bar"):
            fresh.ask("x", image=pixels(name, 56), options=SHORT)
        assert opened == [1]
