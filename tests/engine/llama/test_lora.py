"""With adapters the engine computes what transformers computes with them merged: the tie rule."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.adapters import write_gguf
from devtools.checkpoints.tiny import write_tiny
from devtools.golden.adapters import ADAPTERS, CASES, CHECKPOINT, SCALES
from devtools.golden.numbers import pixels, stored
from devtools.tie_rule import Agreement, compare
from edge_med import imaging
from edge_med.artifacts.file_names import projector_file, text_file
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock, Item, Ledger
from edge_med.engine.engine import Engine
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.context import Context
from edge_med.engine.llama.lora import Applied
from edge_med.engine.slot import Slot
from edge_med.errors import EngineError, UsageError
from edge_med.imaging import Picture

NOTICED = 1e-2
"""Mean KL beyond which something is plainly wrong: a hundred times what the tie rule allows."""

ALL = [(case, name) for name in SCALES for case in CASES]
OTHERS = [(one, other) for one in SCALES for other in SCALES if one != other]

golden = functools.cache(lambda: stored("adapters"))

Files = tuple[Path, Path, Mapping[str, Path]]
Logits = list[npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Opened:
    """An engine, and what its prompts may show."""

    engine: Engine
    picture: Picture

    def run(self, case: str, name: str) -> Logits:
        """The logits after each tested item of a case, read under a set of adapters."""
        run = golden()[f"{case}, {name}"]
        image = ImageBlock(self.picture.sha256, 4)
        items: list[Item] = [image if isinstance(item, str) else item for item in run.items]
        logits = []
        for last in (place % len(items) for place in run.tested):
            pictures = {self.picture.sha256: self.picture}
            self.engine.slot.prefill(items[: last + 1], pictures, adapters=SCALES[name])
            logits.append(self.engine.slot.logits().copy())
        return logits


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Text model, projector and adapters."""
    base = tmp_path_factory.mktemp("adapters")
    source, out = write_tiny(CHECKPOINT, base / "checkpoint"), base / "model"
    convert(
        ConversionRequest(source=source, folder=out, quants=("F32",), mmproj="F32", name="tiny")
    )
    paths = {n: write_gguf(lora, CHECKPOINT, base / f"{n}.gguf") for n, lora in ADAPTERS.items()}
    return out / text_file("tiny", "F32"), out / projector_file("tiny", "F32"), paths


@pytest.fixture(scope="module")
def opened(files: Files) -> Iterator[Opened]:
    """One for all tests, so that each switches from the adapters of the one before."""
    with closing(engine_of(files)) as engine:
        yield Opened(engine, picture())


def engine_of(files: Files) -> Engine:
    text, projector, paths = files
    return Engine(text, projector, LoadOptions(context=256, threads=1), paths)


def picture() -> Picture:
    assert CHECKPOINT.vision is not None
    side = CHECKPOINT.vision.image_size
    return imaging.open(pixels("disc", side), fit="pad", side=side)


def held_against(case: str, name: str, logits: Logits) -> Agreement:
    agreement = compare(golden()[f"{case}, {name}"].steps, logits)
    print(f"{case}, {name}: {agreement}")
    return agreement


@pytest.mark.parametrize(("case", "name"), ALL)
def test_logits_are_those_of_merged_weights(case: str, name: str, opened: Opened) -> None:
    assert held_against(case, name, opened.run(case, name)).holds()


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0"])
def test_every_type_of_the_converter_is_computed_with(
    kind: str, files: Files, tmp_path: Path
) -> None:
    """These are rounded, so that the bar is where a mistake would be noticed."""
    path = write_gguf(ADAPTERS["chest"], CHECKPOINT, tmp_path / "chest.gguf", kind)
    with closing(engine_of((*files[:2], {"chest": path}))) as engine:
        agreement = held_against("text", "whole", Opened(engine, picture()).run("text", "whole"))
    assert agreement.mean_kl < NOTICED


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_another_scale_or_adapter_is_noticed(one: str, other: str) -> None:
    """The reference's own best tokens under one set, held against those under another."""
    steps = [golden()[f"text, {name}"].steps for name in (one, other)]
    differ = sum(a.ids[0] != b.ids[0] and a.margin > 0.05 for a, b in zip(*steps, strict=True))
    assert differ > 0


@pytest.mark.parametrize("case", CASES)
def test_switching_there_and_back_equals_fresh_runs(case: str, opened: Opened) -> None:
    for name in ("whole", "other", "whole", "none", "whole"):
        assert held_against(case, name, opened.run(case, name)).holds()


def test_what_was_read_under_other_adapters_would_be_noticed(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the adapters are switched, and the cache isn't emptied."""

    def keeps_everything(ledger: Ledger, adapters: Applied) -> bool:
        changed, ledger.adapters = adapters != ledger.adapters, adapters
        return changed

    with closing(engine_of(files)) as engine:
        opened = Opened(engine, picture())
        opened.run("text", "whole")
        monkeypatch.setattr(Ledger, "adapt", keeps_everything)
        monkeypatch.setattr(Slot, "clear", lambda _: None)
        agreement = held_against("text", "other", opened.run("text", "other"))
    assert agreement.mean_kl > NOTICED
    assert not agreement.holds()


def test_images_are_not_encoded_again_for_another_adapter(opened: Opened) -> None:
    opened.run("image", "whole")
    run = golden()["image, other"]
    image = ImageBlock(opened.picture.sha256, 4)
    items: list[Item] = [image if isinstance(item, str) else item for item in run.items]
    reading = opened.engine.slot.prefill(items, adapters={"skin": 1.0})
    assert (reading.encode, reading.cached) == (0, 0)


def test_the_same_adapters_keep_the_cache(opened: Opened) -> None:
    ids = list(range(10, 30))
    opened.engine.slot.prefill(ids, adapters={"chest": 0.5, "skin": 1.0})
    assert (
        opened.engine.slot.prefill(ids, adapters={"skin": 1.0, "chest": 0.5}).cached == len(ids) - 1
    )


def test_a_scale_of_0_is_no_adapter(opened: Opened) -> None:
    ids = list(range(10, 30))
    opened.engine.slot.prefill(ids)
    assert opened.engine.slot.prefill(ids, adapters={"chest": 0.0}).cached == len(ids) - 1


def test_checkpoints_of_other_adapters_are_gone(files: Files) -> None:
    options = LoadOptions(context=1024, batch=64, threads=1)
    engine = Engine(files[0], None, options, files[2])
    ids = list(range(10, 30))
    engine.slot.prefill(ids, adapters={"chest": 1.0})
    engine.slot.save_checkpoint(logits=True)
    assert engine.slot.ledger.checkpoints
    assert engine.slot.prefill(ids).cached == 0
    assert engine.slot.ledger.checkpoints == []
    engine.close()


def test_adapters_that_could_not_be_applied_are_applied_by_the_next_call(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("llama.cpp can't apply the adapters.", "Ask again.")

    opened.run("text", "none")
    with monkeypatch.context() as patch:
        patch.setattr(Context, "adapt", fail)
        with pytest.raises(EngineError):
            opened.run("text", "whole")
    assert opened.engine.slot.ledger.items == []
    assert held_against("text", "whole", opened.run("text", "whole")).holds()


def test_an_unknown_adapter_is_refused_and_what_was_read_stays(opened: Opened) -> None:
    ids = list(range(10, 30))
    opened.engine.slot.prefill(ids, adapters={"chest": 1.0})
    with pytest.raises(UsageError, match="no adapter 'lungs'") as caught:
        opened.engine.slot.prefill(ids, adapters={"lungs": 1.0})
    assert "chest, skin" in caught.value.hint
    assert opened.engine.slot.prefill(ids, adapters={"chest": 1.0}).cached == len(ids) - 1


@pytest.fixture
def freed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What llama.cpp was told to free."""
    told: list[object] = []
    free = llama_cpp().llama_adapter_lora_free

    def tell(handle: object) -> None:
        told.append(handle)
        free(handle)

    monkeypatch.setattr(llama_cpp(), "llama_adapter_lora_free", tell)
    return told


def test_adapters_are_freed_with_the_model_once(files: Files, freed: list[object]) -> None:
    engine = Engine(files[0], None, LoadOptions(context=64, threads=1), files[2])
    engine.close()
    engine.close()
    assert len(freed) == len(ADAPTERS)


def test_what_was_opened_is_freed_if_the_rest_fails(
    files: Files, freed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Context, "__init__", fail)
    with pytest.raises(KeyboardInterrupt):
        Engine(files[0], None, LoadOptions(context=64, threads=1), files[2])
    assert len(freed) == len(ADAPTERS)
