"""What README says that a model needs is what `edge-med plan` says."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from devtools.pages.page import ROOT
from edge_med.cli import root

ROWS = re.findall(
    r"^\| MedGemma ([^|]+) \| (\d+) GiB free \| ([\d.]+) GiB \| ([\d.]+) GiB more \|",
    (ROOT / "README.md").read_text("utf-8"),
    re.MULTILINE,
)
MODELS = {
    "4B": "medgemma-4b-it",
    "27B, text": "medgemma-27b-text-it",
    "27B, with images": "medgemma-27b-it",
}


def test_each_model_has_a_row() -> None:
    assert [name for name, *_ in ROWS] == list(MODELS)


@pytest.mark.parametrize(("name", "memory", "disk", "checkpoint"), ROWS)
def test_a_row_is_what_the_plan_says(name: str, memory: str, disk: str, checkpoint: str) -> None:
    line = ["plan", MODELS[name], "--quant", "Q4_K_M", "--machine", "64GB"]
    said = CliRunner().invoke(root, line).output
    disks = re.search(r"Disk: files of ([\d.]+) GiB, and ([\d.]+) GiB", " ".join(said.split()))
    assert disks
    files, source = disks.groups()
    assert float(disk) == pytest.approx(float(files), abs=0.05)
    assert float(checkpoint) == pytest.approx(float(source), abs=0.05)
    planned = float(re.findall(r"Memory: ([\d.]+) GiB", said)[0])
    assert planned <= float(memory) < planned + 2
