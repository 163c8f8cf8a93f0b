"""Files made of one checkpoint carry one hash, and those of any other carry another."""

from __future__ import annotations

import shutil
from pathlib import Path

from converters.checkpoint import open_checkpoint
from converters.fingerprint import fingerprint
from edge_med.artifacts.file_names import SOURCE
from edge_med.artifacts.gguf import read_header
from tests.conftest import Checkpoints, Models


def test_text_model_and_projector_carry_the_same(checkpoint: Checkpoints, model: Models) -> None:
    folder = model("multimodal", "Q8_0")
    warnings = {read_header(path).text(SOURCE) for path in folder.glob("*.gguf")}
    assert warnings == {fingerprint(open_checkpoint(checkpoint("multimodal")))}


def test_a_tensor_that_was_trained_changes_it(checkpoint: Checkpoints, tmp_path: Path) -> None:
    before = open_checkpoint(checkpoint("multimodal"))
    tuned = shutil.copytree(checkpoint("multimodal"), tmp_path / "tuned")
    shard = before.shards[0]
    tensor = shard.tensors[-1]
    data = bytearray((tuned / shard.path.name).read_bytes())
    middle = tensor.offset + tensor.size // 2
    data[middle] ^= 1
    (tuned / shard.path.name).write_bytes(data)
    assert fingerprint(open_checkpoint(tuned)) != fingerprint(before)
