"""A model of noise has the header that a conversion gives it, and noise everywhere behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.checkpoints.medgemma import medgemma
from devtools.checkpoints.tiny import Text, Tiny
from devtools.noise_model import first_layers, write_noise
from edge_med import MedGemma, Options
from edge_med.artifacts.gguf import read_header

SHAPE = Tiny(text=Text(layers=2))


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    (path,) = write_noise(SHAPE, "noise", tmp_path, "Q4_K_M", seed=1)
    return path


def test_the_seed_decides_every_byte(noise: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    folder.mkdir()
    (same,) = write_noise(SHAPE, "noise", folder, "Q4_K_M", seed=1)
    assert same.read_bytes() == noise.read_bytes()
    (other,) = write_noise(SHAPE, "noise", folder, "Q4_K_M", seed=2)
    assert other.read_bytes() != noise.read_bytes()


def test_no_tensor_is_left_empty(noise: Path) -> None:
    data = noise.read_bytes()
    tensors = read_header(noise).tensors
    assert tensors
    for tensor in tensors:
        assert data[tensor.offset : tensor.offset + tensor.size].count(0) < tensor.size / 2


def test_it_writes(noise: Path) -> None:
    with MedGemma.load(noise, context=256, threads=1) as model:
        answer = model.ask(" heart", options=Options(max_new_tokens=4))
    assert answer.usage.answer > 0


def test_the_first_layers_are_those_of_both_towers() -> None:
    cut = first_layers(medgemma("4b"), 3)
    assert cut.vision is not None
    assert (cut.text.layers, cut.vision.layers) == (3, 3)
    assert first_layers(medgemma("4b"), None) == medgemma("4b")
