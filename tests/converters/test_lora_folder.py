"""What people give as an adapter: found where it lies, or refused by what it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters.conversion_plan import make_plan
from converters.lora.records import adapter_warnings, record
from converters.request import ConversionRequest
from devtools.checkpoints.peft import EVERYTHING, LAYER, SETTINGS, pair, save_adapter
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.artifacts.adapters.find_folder import find, more_adapters
from edge_med.artifacts.adapters.peft_adapter import open_adapter
from edge_med.artifacts.adapters.peft_folder import peft_adapter
from edge_med.errors import CheckpointError, UsageError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
Q = pair(f"{LAYER}self_attn.q_proj", 256, 256)


def save(folder: Path) -> Path:
    return save_adapter(folder, EVERYTHING, **SETTINGS)


@pytest.mark.parametrize("name", ["", CONFIG, WEIGHTS])
def test_the_folder_and_each_of_its_files_are_the_adapter(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "chest")
    given = folder / name
    assert find(given) == folder
    request = ConversionRequest(
        source=Path("base"), folder=tmp_path, quants=("Q8_0",), adapters=((given, 1.0),)
    )
    assert request.model_name == "base-chest"


def test_one_adapter_inside_is_taken(tmp_path: Path) -> None:
    inside = save(tmp_path / "out/default")
    (tmp_path / "out/README.md").touch()
    assert find(tmp_path / "out") == inside


def test_the_end_of_training_counts_and_its_checkpoints_are_passed_over(tmp_path: Path) -> None:
    folder = save(tmp_path / "out")
    save(folder / "checkpoint-100")
    assert find(folder) == folder
    assert more_adapters(folder) == []


def test_more_adapters_in_the_folder_are_reported(tmp_path: Path) -> None:
    folder = save(tmp_path / "out")
    save(folder / "skin")
    said = {one.code: one.text for one in adapter_warnings(open_adapter(folder), "tiny")}
    assert "skin" in said["adapters_beside"]


@pytest.mark.parametrize(
    ("names", "suggested"),
    [(("checkpoint-20", "checkpoint-100"), "checkpoint-100"), (("skin", "chest"), "chest")],
)
def test_several_inside_are_named_and_one_is_to_be_given(
    names: tuple[str, ...], suggested: str, tmp_path: Path
) -> None:
    for name in names:
        save(tmp_path / "out" / name)
    with pytest.raises(CheckpointError, match="holds 2 adapters") as caught:
        find(tmp_path / "out")
    assert all(name in str(caught.value) for name in names)
    assert caught.value.hint.endswith(f"{suggested}.")


def pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")


def of_mlx(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapters.safetensors")
    (folder / CONFIG).write_text('{"fine_tune_type": "lora", "model": "google/tiny"}')


def whole(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "config.json").write_text("{}")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (shutil.rmtree, "There is no folder"),
    "no config": (lambda folder: (folder / CONFIG).unlink(), "has no adapter_config.json"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "has no adapter_model.safetensors"),
    "pickled weights": (pickled, "could run code"),
    "an adapter of MLX's": (of_mlx, "is an adapter of MLX's"),
    "a whole model": (whole, "is a whole model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_adapter_is_told_as_what_it_is(name: str, tmp_path: Path) -> None:
    change, words = REFUSED[name]
    change(save(tmp_path / "chest"))
    with pytest.raises(CheckpointError, match=words):
        find(tmp_path / "chest")


def test_an_adapter_of_mlx_is_told_as_that_wherever_it_is_given(tmp_path: Path) -> None:
    of_mlx(save(tmp_path / "chest"))
    found = peft_adapter(tmp_path / "chest")
    assert found is not None
    assert found.words == "chest is an adapter of MLX's, and no whole model."
    assert "mlx_lm.fuse --model BASE --adapter-path" in found.ways


def test_tensors_that_deepspeed_has_not_gathered_are_reported(tmp_path: Path) -> None:
    empty = dict.fromkeys(Q, np.zeros(0, np.float32))
    with pytest.raises(CheckpointError, match="is empty") as caught:
        open_adapter(save_adapter(tmp_path / "chest", empty))
    assert "stage3_gather_16bit_weights_on_model_save" in caught.value.hint


def test_a_gguf_adapter_is_applied_and_not_merged(tmp_path: Path) -> None:
    (tmp_path / "chest.gguf").touch()
    with pytest.raises(CheckpointError, match="is a GGUF file") as caught:
        find(tmp_path / "chest.gguf")
    assert "ask --adapter" in caught.value.hint


@pytest.mark.parametrize("where", ["models--google--tiny", "models--google--tiny/snapshots/01ab"])
def test_a_base_in_the_hubs_cache_is_called_as_there(where: str, tmp_path: Path) -> None:
    write_tiny(TINY["multimodal"], tmp_path / "models--google--tiny/snapshots/01ab")
    for named in ("google/tiny", str(tmp_path / "models--google--tiny/snapshots/01ab")):
        chest = save_adapter(tmp_path / "chest", Q, base_model_name_or_path=named)
        request = ConversionRequest(
            source=tmp_path / where, folder=tmp_path, quants=("Q8_0",), adapters=((chest, 1.0),)
        )
        assert "adapter_base" not in {one.code for one in make_plan(request).warnings}


def test_an_adapter_in_the_hubs_cache_is_called_as_there(tmp_path: Path) -> None:
    cache = tmp_path / "models--who--chest"
    save_adapter(cache / "snapshots/01ab", Q)
    base = write_tiny(TINY["multimodal"], tmp_path / "tiny")
    request = ConversionRequest(
        source=base, folder=tmp_path, quants=("Q8_0",), adapters=((cache, 1.0),)
    )
    plan = make_plan(request)
    assert plan.request.model_name == "tiny-chest"
    assert [adapter.name for adapter in plan.adapters] == ["chest"]
    assert "The adapter chest is merged" in plan.warnings[0].text
    assert "with chest merged into it" in plan.notice


def test_names_of_several_adapters_in_one_file_are_refused(tmp_path: Path) -> None:
    two = {
        name.replace("_A.", f"_A.{whose}.").replace("_B.", f"_B.{whose}."): values
        for whose in ("chest", "skin")
        for name, values in Q.items()
    }
    with pytest.raises(CheckpointError, match="twice") as caught:
        open_adapter(save_adapter(tmp_path / "both", two, target_modules="all-linear"))
    assert "of several adapters in one file" in caught.value.hint


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("google/medgemma-4b-it", "google/medgemma-4b-it"),
        ("/home/someone/medgemma-4b-it/", "medgemma-4b-it"),
        ("C:\\Users\\someone\\medgemma-4b-it", "medgemma-4b-it"),
        ("/home/someone/models--google--tiny/snapshots/01ab", "google/tiny"),
        ("", ""),
    ],
)
def test_records_have_no_path_of_the_base(base: str, said: str, tmp_path: Path) -> None:
    chest = save_adapter(tmp_path / "chest", Q, base_model_name_or_path=base)
    assert record(open_adapter(chest), "").base == said


@pytest.mark.parametrize("name", ["", CONFIG])
def test_one_adapter_given_twice_is_refused(name: str, tmp_path: Path) -> None:
    chest = save(tmp_path / "chest")
    with pytest.raises(UsageError, match="twice"):
        ConversionRequest(
            source=Path("base"),
            folder=tmp_path,
            quants=("Q8_0",),
            adapters=((chest, 1.0), (chest / name, 0.5)),
        )


@pytest.mark.parametrize(("folder", "name"), [("run-r=16", "run-r-16"), ("my chest", "my-chest")])
def test_a_model_is_called_as_the_folder_in_letters_that_it_may_have(
    folder: str, name: str, tmp_path: Path
) -> None:
    adapters = ((Path(folder), 1.0),)
    request = ConversionRequest(
        source=Path("base"), folder=tmp_path, quants=("Q8_0",), adapters=adapters
    )
    assert request.model_name == f"base-{name}"


@pytest.mark.parametrize(
    ("path", "words"), [("someone/chest", "hf download"), ("chest=0,5", "as in FOLDER=0.5")]
)
def test_what_is_not_there_may_be_meant_otherwise(path: str, words: str) -> None:
    with pytest.raises(CheckpointError, match="There is no folder") as caught:
        find(Path(path))
    assert words in caught.value.hint


def test_the_terms_of_the_base_that_an_adapter_names_hold(tmp_path: Path) -> None:
    base = write_tiny(TINY["multimodal"], tmp_path / "weights")
    chest = save_adapter(tmp_path / "chest", Q, base_model_name_or_path="google/medgemma-4b-it")
    request = ConversionRequest(
        source=base, folder=tmp_path, quants=("Q8_0",), adapters=((chest, 1.0),)
    )
    assert "Health AI Developer Foundations Terms of Use" in make_plan(request).notice
