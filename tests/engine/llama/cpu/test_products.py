"""The products that try the CPU's code: of every type, and right where an independent one is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from edge_med import native as libraries
from edge_med._platform import children
from edge_med.artifacts import quant_mix
from edge_med.artifacts.tensor_types import BY_NAME
from edge_med.engine.llama import bindings
from edge_med.engine.llama.cpu import ggml, products
from edge_med.engine.llama.cpu.products import COLUMNS, ROWS, TOLERANCE, TYPES


@pytest.fixture(scope="module")
def device() -> int:
    bindings.llama_cpp()  # as far as it is sound here
    return ggml.cpu_device()


@pytest.fixture(scope="module")
def buffer(device: int) -> int:
    found: int = ggml.functions().ggml_backend_dev_buffer_type(device)
    return found


def test_every_type_that_conversions_write_is_tried() -> None:
    assert set(TYPES) >= quant_mix.WRITTEN


@pytest.mark.parametrize("name", TYPES)
def test_products_are_right_but_for_their_rounding(device: int, buffer: int, name: str) -> None:
    assert products.largest_error(device, buffer, BY_NAME[name]) < TOLERANCE / 5


@pytest.mark.parametrize("name", TYPES)
def test_weights_are_widened_as_the_gguf_package_does(name: str) -> None:
    kind = BY_NAME[name]
    stored = np.empty(ROWS * kind.row_bytes(COLUMNS), np.uint8)
    products._quantize(products._noise(ROWS, 0), kind, stored)
    rows = stored.reshape(ROWS, -1)
    expected = gguf.dequantize(rows, gguf.GGMLQuantizationType(kind.id))
    np.testing.assert_allclose(products._widened(stored, kind), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("spoilt", [0.1, np.nan, np.inf], ids=str)
def test_a_single_wrong_number_is_noticed(
    device: int, buffer: int, spoilt: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = products._product

    def wrong(*arguments: Any) -> products.Floats:
        made = real(*arguments)
        made[-1, 7] += spoilt * np.sqrt(np.square(made).mean())
        return made

    monkeypatch.setattr(products, "_product", wrong)
    assert not products.largest_error(device, buffer, BY_NAME["Q8_0"]) <= TOLERANCE


def test_the_child_says_what_it_uses_and_that_it_is_sound() -> None:
    command = children.command("edge_med.engine.llama.cpu.products", amx=False, copies=False)
    done = children.run(command, {}, 60)
    assert children.reports(done.stdout) == {"copies": [], "sound": True}


def test_a_buffer_type_tells_which_weights_it_takes(device: int) -> None:
    repacking = ggml.copying_buffers(device).get("CPU_REPACK")
    if repacking is None:
        pytest.fail("this build repacks nothing")
    assert not ggml.takes(device, repacking, BY_NAME["F32"].id, 256, 8)
    assert not ggml.takes(device, repacking, BY_NAME["Q4_0"].id, 256, 7)


class Variant:
    """A library with the CPU's code for some kind of processor."""

    def __init__(self, score: int | None) -> None:
        if score is not None:
            self.ggml_backend_score = lambda: score


@pytest.mark.parametrize(
    ("scores", "taken"),
    [
        ({}, "libggml-cpu.so"),
        ({"haswell": 64, "sse42": 2}, "libggml-cpu-haswell.so"),
        ({"haswell": 0, "sse42": 2}, "libggml-cpu-sse42.so"),
        ({"haswell": 0}, "libggml-cpu.so"),
        ({"unknown": None}, "libggml-cpu.so"),
    ],
    ids=str,
)
def test_of_several_variants_the_one_that_ggml_takes_is_tried(
    scores: dict[str, int | None], taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {f"libggml-cpu-{name}.so": Variant(score) for name, score in scores.items()}
    for name in ours:
        (tmp_path / name).touch()
    monkeypatch.setattr(libraries, "native_library", lambda name: tmp_path / f"lib{name}.so")
    monkeypatch.setattr("ctypes.CDLL", lambda path: ours[Path(path).name])
    assert ggml.cpu_library().name == taken


def test_a_path_is_not_told() -> None:
    error = OSError("/home/somebody/lib/libggml-cpu.so.0: file too short")
    assert products._without_folders(error) == "libggml-cpu.so.0: file too short"
