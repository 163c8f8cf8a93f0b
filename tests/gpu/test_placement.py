"""What was planned for a device is what llama.cpp puts there, and it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.checkpoints.medgemma import medgemma, write_shape
from devtools.checkpoints.tokenizer import write_tokenizer
from devtools.compare_placement import compared
from devtools.compare_plan import hollow_file
from edge_med import MedGemma
from edge_med.config import LoadOptions
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import phantom
from edge_med.doctor import examine
from edge_med.planner.machine import Device
from tests.conftest import RealModels
from tests.gpu.offloads import ALL, Offload

pytestmark = pytest.mark.gpu

MIB = 1 << 20
SMALL = 2048 * MIB
LAYERS_OF_4B = 35
"""The output head is one."""


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MedGemma 4B in Q4_K_M: the header, and zeros where weights would be.

    They lie in a hole, so that they take no disk; llama.cpp loads them like any others.
    """
    source = tmp_path_factory.mktemp("shape") / "4b"
    source.mkdir()
    write_tokenizer(source)
    write_shape(medgemma("4b"), source, hollow=True)
    return hollow_file(source, "Q4_K_M")


def test_the_doctor_lists_the_device(device: Device) -> None:
    assert device.name in [one.name for one in examine(measure=False).devices]


@pytest.mark.parametrize("offload", ALL, ids=str)
def test_an_answer_tells_what_computed_and_what_saw(
    offload: Offload, micro: Path, device: Device
) -> None:
    text = micro / "micro-Q8_0.gguf"
    wanted = offload.options(text, device, LoadOptions())
    with MedGemma.load(
        text,
        context=1024,
        device=wanted.device,
        gpu_layers=wanted.gpu_layers,
        projector_device=wanted.projector_device,
    ) as model:
        told = model.ask("Is the heart enlarged?", image=pixels(phantom(7))).provenance
        layers = {one.device: one.layers for one in model.info.placement}
    assert told.fallback is None
    assert told.projector_device == wanted.projector_device
    assert told.device == "+".join(name for name, count in layers.items() if count)
    assert layers.get(device.name, 0) == wanted.gpu_layers


@pytest.mark.real
@pytest.mark.parametrize("layers", [1, 9, 19])
@pytest.mark.parametrize("quant", ["Q8_0", "Q4_K_M"])
def test_270m_is_on_the_device_as_planned(
    quant: str, layers: int, real_model: RealModels, device: Device
) -> None:
    row = compared(real_model(quant), device, LoadOptions(), layers)
    print(row)
    assert not row.wrong()


def test_of_4b_as_much_goes_to_a_small_device_as_was_planned(shape: Path, device: Device) -> None:
    small = Device(device.name, device.kind, min(SMALL, device.free))
    row = compared(shape, small, LoadOptions(), "auto")
    print(row)
    assert not row.wrong()
    assert 0 < row.told.layers < LAYERS_OF_4B
    assert row.planned.total <= small.budget
