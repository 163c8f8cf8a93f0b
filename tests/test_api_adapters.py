"""The door to adapters: they are loaded with a model, and each call says which it wants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from edge_med import MedGemma, Options
from edge_med.answers import AppliedAdapter
from edge_med.errors import UsageError
from tests.checkpoints.adapters import Lora, write_gguf
from tests.checkpoints.tiny import TINY
from tests.conftest import Models


@pytest.fixture(scope="module")
def adapted(model: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MedGemma]:
    base = tmp_path_factory.mktemp("adapters")
    files = [write_gguf(Lora(seed=n), TINY["multimodal"], base / f"{n}.gguf") for n in (1, 2)]
    adapters = {"chest": files[0], "skin": files[1]}
    with MedGemma.load(
        model("multimodal", "F32"), adapters=adapters, context=512, threads=1
    ) as loaded:
        yield loaded


def test_calls_switch_between_adapters(adapted: MedGemma) -> None:
    sets: list[dict[str, float]] = [{}, {"chest": 1.0}, {"skin": 1.0}, {"chest": 0.5}]
    options = [Options(max_new_tokens=3, logprobs=1, adapters=one) for one in sets]
    fresh = [adapted.ask("x", options=one) for one in options]
    assert len({answer.logprobs for answer in fresh}) == len(sets)
    for one, before in zip(options, fresh, strict=True):
        again = adapted.ask("x", options=one)
        assert (again.logprobs, again.usage.cached) == (before.logprobs, 0)


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
