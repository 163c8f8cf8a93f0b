"""An image processor's settings beside an adapter: where pictures differ, they count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from converters.as_gguf import AdapterRequest, plan_adapters
from converters.conversion_plan import ConversionPlan, make_plan
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.peft import LAYER, pair, save_adapter
from devtools.checkpoints.tiny import TINY, preprocessor, write_tiny
from edge_med.errors import CheckpointError

Q = pair(f"{LAYER}self_attn.q_proj", 256, 256)
VISION = TINY["multimodal"].vision
assert VISION is not None
SETTINGS = preprocessor(VISION)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("base") / "tiny")


def request(base: Path, out: Path, *folders: Path) -> ConversionRequest:
    adapters = tuple((folder, 1.0) for folder in folders)
    return ConversionRequest(
        source=base, folder=out, quants=("Q8_0",), name="tiny", adapters=adapters
    )


def adapter(folder: Path, name: str = "preprocessor_config.json", **settings: Any) -> Path:
    save_adapter(folder, Q)
    data: dict[str, Any] = SETTINGS | settings
    whole = {"image_processor": data, "processor_class": "Gemma3Processor"}
    data = whole if name == "processor_config.json" else data
    (folder / name).write_text(json.dumps(data))
    return folder


def codes(plan: ConversionPlan) -> list[str]:
    return [one.code for one in plan.warnings]


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_a_copy_of_the_bases_is_not_spoken_of(name: str, base: Path, tmp_path: Path) -> None:
    plan = make_plan(request(base, tmp_path, adapter(tmp_path / "chest", name)))
    assert "adapter_processor" not in codes(plan)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_greys_of_its_own_are_the_models(name: str, base: Path, tmp_path: Path) -> None:
    chest = adapter(tmp_path / "chest", name, image_mean=[0.25] * 3)
    wanted = request(base, tmp_path / "out", chest)
    assert "adapter_processor" in codes(make_plan(wanted))
    done = convert(wanted)
    reader = gguf.GGUFReader(tmp_path / "out/tiny-mmproj-F16.gguf")
    assert reader.fields["clip.vision.image_mean"].contents() == [0.25] * 3
    assert f"adapter/{name}" in [file.path for file in done.manifest.source.files]


def test_what_cannot_be_honoured_is_refused_as_the_adapters(base: Path, tmp_path: Path) -> None:
    chest = adapter(tmp_path / "chest", do_pan_and_scan=True)
    with pytest.raises(CheckpointError, match="in chest, the adapter's folder") as caught:
        make_plan(request(base, tmp_path, chest))
    assert "do_pan_and_scan" in str(caught.value)


def test_of_a_text_model_no_pictures_are_spoken_of(tmp_path: Path) -> None:
    base = write_tiny(TINY["text"], tmp_path / "text")
    plan = make_plan(request(base, tmp_path, adapter(tmp_path / "chest", do_pan_and_scan=True)))
    assert "adapter_processor" not in codes(plan)


@pytest.mark.parametrize("settings", [{"image_mean": [0.25] * 3}, {"do_pan_and_scan": True}])
def test_a_gguf_adapter_keeps_the_bases_pictures_and_says_so(
    settings: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    chest = adapter(tmp_path / "chest", **settings)
    wanted = AdapterRequest(base=base, folder=tmp_path, adapters=((chest, 1.0),))
    (plan,) = plan_adapters(wanted)
    assert "adapter_processor" in [one.code for one in plan.warnings]


def test_a_damaged_file_is_told_as_the_adapters(base: Path, tmp_path: Path) -> None:
    chest = save_adapter(tmp_path / "chest", Q)
    (chest / "preprocessor_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="in chest, the adapter's folder") as caught:
        make_plan(request(base, tmp_path, chest))
    assert "remove it from chest" in caught.value.hint
