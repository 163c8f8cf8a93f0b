"""The door to adapters: they are loaded with a model, and each call says which it wants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devtools.checkpoints.adapters import Lora, finished, sound_writer, write_gguf
from devtools.checkpoints.peft import LAYER, TOWER, pair, save_adapter
from devtools.checkpoints.tiny import TINY
from edge_med import MedGemma, Options
from edge_med.answers import AppliedAdapter
from edge_med.errors import ArtifactError, UsageError
from tests.conftest import Models

CLOSE = 0.01
"""Nats; a part of a prompt that was read before comes out of a batch of another size."""

SETS: list[dict[str, float]] = [{}, {"chest": 1.0}, {"skin": 1.0}, {"chest": 0.5}]

Load = Callable[[], MedGemma]


@pytest.fixture(scope="module")
def load(model: Models, tmp_path_factory: pytest.TempPathFactory) -> Load:
    base = tmp_path_factory.mktemp("adapters")
    files = [write_gguf(Lora(seed=n), TINY["multimodal"], base / f"{n}.gguf") for n in (1, 2)]
    adapters = {"chest": files[0], "skin": files[1]}
    folder = model("multimodal", "F32")
    return lambda: MedGemma.load(folder, adapters=adapters, context=512, threads=1)


@pytest.fixture(scope="module")
def adapted(load: Load) -> Iterator[MedGemma]:
    with load() as loaded:
        yield loaded


def test_calls_switch_between_adapters(adapted: MedGemma) -> None:
    options = [Options(max_new_tokens=3, logprobs=1, adapters=one) for one in SETS]
    fresh = [adapted.ask("x", options=one) for one in options]
    assert len({answer.logprobs for answer in fresh}) == len(SETS)
    for one, before in zip(options, fresh, strict=True):
        again = adapted.ask("x", options=one)
        assert (again.logprobs, again.usage.cached) == (before.logprobs, 0)


def test_what_an_adapter_lacks_is_told_with_the_first_answer(model: Models, tmp_path: Path) -> None:
    """As llama.cpp's converter leaves it: text alone, in the folder of PEFT's adapter."""
    text = pair(f"{LAYER}self_attn.q_proj", 256, 256)
    peft = save_adapter(tmp_path / "peft", text | pair(f"{TOWER}self_attn.q_proj", 64, 64))
    writer = sound_writer(peft / "chest.gguf")
    for side, values in zip("ab", text.values(), strict=True):
        writer.add_tensor(f"blk.1.attn_q.weight.lora_{side}", values)
    file = finished(writer, peft / "chest.gguf")
    folder, options = model("multimodal", "F32"), Options(max_new_tokens=1)
    with MedGemma.load(folder, adapters=file, context=512, threads=1) as loaded:
        told = [[one.code for one in loaded.ask("x", options=options).notices] for _ in range(2)]
        (said,) = (one.text for one in loaded.info.notices if one.code == "adapter")
    assert [codes.count("adapter") for codes in told] == [1, 0]
    assert "1 tensor of the vision tower" in said


def test_a_peft_folder_is_told_as_one_in_pythons_words(model: Models, tmp_path: Path) -> None:
    peft = save_adapter(tmp_path / "peft", pair(f"{LAYER}self_attn.q_proj", 256, 256))
    with pytest.raises(ArtifactError, match="is a PEFT adapter") as caught:
        MedGemma.load(model("multimodal", "F32"), adapters=[peft])
    assert "a file for `adapters`" in caught.value.hint
    with pytest.raises(ArtifactError, match="is a PEFT adapter"):
        MedGemma.load(peft)


@pytest.mark.parametrize("scales", SETS)
def test_scores_and_choices_are_those_of_a_fresh_model(
    scales: dict[str, float], adapted: MedGemma, load: Load
) -> None:
    def thought(model: MedGemma) -> list[float]:
        score = model.score("is it large", " the heart is", adapters=scales)
        choice = model.choose("is it large", ["the heart", "no"], adapters=scales)
        return [token.logprob for token in score.tokens] + [one.logprob for one in choice.scores]

    for before in SETS:
        adapted.score("is it large", " the lung", adapters=before)
    with load() as fresh:
        assert thought(adapted) == pytest.approx(thought(fresh), abs=CLOSE)


def test_provenance_tells_which_adapters_were_applied(adapted: MedGemma) -> None:
    options = Options(max_new_tokens=1, adapters={"chest": 0.5, "skin": 0.0})
    (applied,) = adapted.ask("x", options=options).provenance.adapters
    path = adapted.info.adapters[0].path
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert applied == AppliedAdapter("chest", sha256, 0.5)
    assert [a.name for a in adapted.info.adapters] == ["chest", "skin"]
    assert adapted.info.plan.adapters == sum(a.lora.size for a in adapted.info.adapters)


def test_an_adapter_that_is_not_loaded_is_refused(adapted: MedGemma) -> None:
    with pytest.raises(UsageError, match="no adapter 'lungs'"):
        adapted.ask("x", options=Options(adapters={"lungs": 1.0}))


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), -1001.0])
def test_a_scale_that_means_nothing_is_refused(scale: float) -> None:
    with pytest.raises(UsageError, match="scale of the adapter chest"):
        Options(adapters={"chest": scale})
