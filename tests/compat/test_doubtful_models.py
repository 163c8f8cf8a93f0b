"""What is to be known of a model is a warning where it is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from edge_med.compat import AutoModelForCausalLM, ModelWarning
from tests.conftest import Checkpoints


def test_a_toy_is_warned_of(checkpoint: Checkpoints, tmp_path: Path) -> None:
    source = shutil.copytree(checkpoint("text"), tmp_path / "tiny")
    (source / "README.md").write_text("---\ntags: [toy]\n---\n")
    convert(ConversionRequest(source=source, folder=tmp_path / "files", quants=("Q8_0",)))
    with pytest.warns(ModelWarning, match="This is a toy model"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "files", context=256, threads=1)
