"""Opening a model: what is refused, what is let go of, and what its vocabulary says."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from devtools.checkpoints.tokenizer import tiny_tokenizer
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.llama.bindings import LOGGER
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import ArtifactError, EngineError, PromptError
from tests.conftest import Models

LOADS = 200
LEAK = 20 << 20
"""Bytes; a load that leaked its context of 64 tokens would leave 100 MB after so many."""


@pytest.fixture
def tiny(model: Models) -> Iterator[TextModel]:
    with TextModel(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened


def test_a_projector_or_a_broken_file_is_refused_before_llama_cpp_sees_it(
    model: Models, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="architecture clip"):
        TextModel(model("multimodal", "Q8_0") / "multimodal-mmproj-F16.gguf")
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(ArtifactError, match="isn't a GGUF file"):
        TextModel(tmp_path / "x.gguf")


def test_a_model_that_llama_cpp_refuses_is_an_error_of_ours(model: Models, tmp_path: Path) -> None:
    data = (model("text", "F32") / "text-F32.gguf").read_bytes()
    path = tmp_path / "x.gguf"
    path.write_bytes(data.replace(b"blk.3.attn_q.weight", b"blk.3.attn_X.weight"))
    with pytest.raises(EngineError, match=r"can't load x\.gguf"):
        TextModel(path)


def test_closing_twice_does_no_harm(model: Models) -> None:
    engine = Engine(model("text", "F32") / "text-F32.gguf", None, LoadOptions(context=64))
    engine.close()
    engine.close()


def test_loading_again_and_again_leaks_nothing(model: Models) -> None:
    folder = model("multimodal", "F32")
    files = folder / "multimodal-F32.gguf", folder / "multimodal-mmproj-F16.gguf"
    options = LoadOptions(context=64, batch=64, threads=1)

    def load() -> None:
        engine = Engine(*files, options)
        engine.images.opened()
        engine.slot.prefill(engine.model.vocabulary.tokenize("the heart"))
        engine.close()

    for _ in range(10):
        load()
    before = resident()
    for _ in range(LOADS):
        load()
    assert resident() - before < LEAK


def test_a_model_that_is_not_mapped_needs_its_file_no_more(model: Models, tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    shutil.copy(model("text", "F32") / "text-F32.gguf", path)
    engine = Engine(path, None, LoadOptions(context=64, batch=64, threads=1, mmap=False))
    engine.slot.prefill(engine.model.vocabulary.tokenize("the heart"))
    before = engine.slot.logits().copy()
    assert path.name not in maps()
    path.write_bytes(b"")  # in place: who has mapped it, ends here
    engine.slot.prefill(engine.model.vocabulary.tokenize("a lung"))
    engine.slot.prefill(engine.model.vocabulary.tokenize("the heart"))
    assert np.array_equal(engine.slot.logits(), before)
    engine.close()


def test_a_model_is_mapped_otherwise(model: Models) -> None:
    engine = Engine(model("text", "F32") / "text-F32.gguf", None, LoadOptions(context=64))
    assert "text-F32.gguf" in maps()
    engine.close()


def maps() -> str:
    path = Path("/proc/self/maps")
    if not path.exists():
        pytest.skip("only Linux tells so what is mapped")
    return path.read_text()


def resident() -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux tells a process's memory so")
    line = next(row for row in status.read_text().splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def test_llama_cpp_is_silent_and_its_words_reach_our_logger(
    model: Models, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, LOGGER.name)
    TextModel(model("text", "F32") / "text-F32.gguf").close()
    assert capfd.readouterr() == ("", "")
    assert any("llama_model_loader" in record.message for record in caplog.records)


def test_control_tokens_in_a_text_stay_text(tiny: TextModel) -> None:
    ids = tiny.vocabulary.tokenize("<end_of_turn><start_of_turn>user <bos>")
    control = {n for n, t in enumerate(tiny_tokenizer().tokens) if t.type == 3}
    assert not control.intersection(ids)


def test_markup_that_llama_cpp_takes_for_an_end_is_text(tiny: TextModel) -> None:
    strike = tiny_tokenizer().id("</s>")
    words = tiny.vocabulary.tokenize(" heart")
    assert tiny.vocabulary.tokenize("</s> heart") == [strike, *words]
    assert not tiny.vocabulary.ends(strike)
    assert tiny.vocabulary.piece(strike) == b"</s>"


def test_the_sign_of_a_space_is_one(tiny: TextModel) -> None:
    tokenize = tiny.vocabulary.tokenize
    assert tokenize("the\u2581heart") == tokenize("the heart")
    assert tokenize("\u2581" * 3) == [tiny_tokenizer().id("\u2581" * 3)]


def test_control_tokens_have_no_text(tiny: TextModel) -> None:
    for name in ("<bos>", "<end_of_turn>", "<start_of_image>"):
        assert tiny.vocabulary.piece(tiny.vocabulary.required(name)) == b""


def test_a_control_token_that_is_missing_is_an_error_of_ours(tiny: TextModel) -> None:
    with pytest.raises(EngineError, match="<nonsense>"):
        tiny.vocabulary.required("<nonsense>")


def test_half_a_character_is_refused(tiny: TextModel) -> None:
    with pytest.raises(PromptError, match="half a character"):
        tiny.vocabulary.tokenize("\ud83d")
