"""The loop on a real, tiny model: what the engine holds, not only what is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_med import MedGemma, Options
from edge_med.chat.chat_state import ChatState
from edge_med.engine.llama.context import Stop
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.imaging import Picture
from edge_med.planner.latency import Estimates
from tests.chat.scripted import Held, ScriptedUI
from tests.conftest import Models

OPTIONS = Options(max_new_tokens=6, stop_loops=False)


@pytest.fixture(scope="module")
def chat_model(model: Models) -> Path:
    """The model that the chat is held with."""
    return model("multimodal", "F32")


@pytest.fixture(scope="module")
def loaded(chat_model: Path) -> Iterator[MedGemma]:
    with MedGemma.load(chat_model, context=2048, threads=1) as opened:
        yield opened


@pytest.fixture
def talk(loaded: MedGemma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.chdir(tmp_path)
    ui = ScriptedUI()
    (weights := tmp_path / "x.gguf").write_bytes(bytes(1000))
    estimates = Estimates(weights, 1, tmp_path)
    chat = ChatState(loaded, ui, OPTIONS, loaded.chat(None, OPTIONS), estimates)
    return Held(chat, ui, None)  # type: ignore[arg-type]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hashes of the pictures that the projector has encoded."""
    seen: list[str] = []
    real = MtmdEncoder.encode

    def encode(self: MtmdEncoder, picture: Picture, stop: Stop) -> Any:
        seen.append(picture.sha256)
        return real(self, picture, stop)

    monkeypatch.setattr(MtmdEncoder, "encode", encode)
    return seen


def cached(talk: Held) -> tuple[int, int]:
    """Tokens of the last prompt that were there, and all of them."""
    assert talk.chat.last is not None
    return talk.chat.last.usage.cached, talk.chat.last.usage.prompt


def test_an_image_is_encoded_once_in_a_conversation(
    talk: Held, tmp_path: Path, encoded: list[str]
) -> None:
    picture = tmp_path / "seen by no other test.png"  # the model remembers what it has encoded
    Image.new("RGB", (60, 40), "navy").save(picture)
    talk.enter(f"/image {picture}", "what is it")
    first = cached(talk)[1]
    for line in ("and the heart", "/regen", "/locate heart", "/edit 1 where is it", "/undo"):
        talk.enter(line)
        assert not talk.ui.errors
    talk.enter(f"/image {picture}", "once more")
    assert len(encoded) == 1
    assert first > 4


def test_a_follow_up_reads_only_what_is_new(talk: Held) -> None:
    talk.enter("the heart")
    before = cached(talk)[1]
    talk.enter("the lungs")
    assert cached(talk)[0] >= before


def test_regen_reads_nothing_anew(talk: Held) -> None:
    talk.enter("the heart", "/regen")
    there, all_of_it = cached(talk)
    assert there >= all_of_it - 1
    assert any("same answer" in notice for notice in talk.ui.notices)


def test_undo_leaves_the_first_turn_in_the_cache(talk: Held) -> None:
    talk.enter("the heart")
    before = cached(talk)[1]
    talk.enter("the lungs", "/undo", "the ribs")
    assert cached(talk)[0] >= before


def test_a_dropped_image_leaves_the_prompt(talk: Held, picture: Path) -> None:
    talk.enter(f"/image {picture}", "what is it", "/drop 1", "and now")
    assert talk.chat.last is not None
    assert talk.chat.last.usage.image == 0


def test_a_saved_conversation_is_read_back_into_the_engine(talk: Held, picture: Path) -> None:
    talk.enter(f"/image {picture}", "what is it", "/save x.json --images", "the heart")
    said = talk.texts[3]
    talk.enter("/clear", "/load x.json", "the heart")
    assert talk.texts[3] == said


def test_a_full_context_is_told(talk: Held) -> None:
    for number in range(8):
        talk.enter(f"{number} " + "the heart is not enlarged " * 50)
    assert any("no longer fit" in notice for notice in talk.ui.notices)
    assert not talk.ui.errors


def test_the_status_counts_what_the_conversation_takes(talk: Held) -> None:
    talk.enter("the heart")
    assert talk.chat.last is not None
    usage = talk.chat.last.usage
    assert usage.prompt <= talk.chat.used() <= usage.prompt + usage.answer + 1
