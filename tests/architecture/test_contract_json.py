"""What commands print as JSON is what docs/reference/contract.md says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from devtools.checkpoints.peft import EVERYTHING, SETTINGS, save_adapter
from devtools.images.dicom import ct_slice
from edge_med.cli import root
from tests.architecture.test_contract import ROOT, Row, codes, split, table
from tests.conftest import Checkpoints, Models


def keys(value: Any, prefix: str = "") -> set[str]:
    """The keys of a JSON value in dots."""
    if isinstance(value, dict):
        return {k for name, inner in value.items() for k in keys(inner, f"{prefix}.{name}")}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return {key for item in value for key in keys(item, f"{prefix}[]")}
    return {prefix.removeprefix(".")}


def printed(*arguments: object) -> set[str]:
    """The keys of what a command prints as JSON."""
    done = CliRunner().invoke(root, list(map(str, arguments)), catch_exceptions=False)
    return keys(json.loads(done.output))


@pytest.mark.parametrize("row", table("JSON", "command"), ids=lambda row: row["command"])
def test_what_is_printed_as_json(
    row: Row,
    checkpoint: Checkpoints,
    model: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, *flags = codes(row["command"])[0].split()
    chest = save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS)
    others: dict[str, list[object]] = {
        "`convert --as-gguf`": [checkpoint("multimodal"), "--adapter", chest, "--out", tmp_path],
        "`inspect` of a PEFT folder": [chest],
    }
    folder = model("text", "F32")
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("edge_med._platform.graphics", lambda: ("nvidia",))  # a finding
    shutil.copytree(folder, tmp_path / "home/models/text")
    arguments: dict[str, list[object]] = {
        "compare": [*[folder / "text-F32.gguf"] * 2, "--text", ROOT / "README.md", "--threads", 1],
        "convert": [checkpoint("text"), "--out", tmp_path, "--quant", "F32"],
        "doctor": [],
        "inspect": [folder / "text-F32.gguf"],
        "models": ["--machine", "16GB"],
        "plan": ["medgemma-4b-it", "--machine", "16GB,gpu=8GB"],
        "verify": [folder],
        "view": [ROOT / "docs/pictures/phantoms.png"],
    }
    if flags == ["--list"]:
        (tmp_path / "ct.dcm").write_bytes(ct_slice(0.0))
        arguments["view"] = [tmp_path / "ct.dcm"]
    given = others.get(row["command"], arguments[name])
    assert printed(name, *given, *flags, "--json") == set(codes(row["fields"]))


def test_an_answer_as_json(model: Models) -> None:
    today, later = split("Answer", "field")
    path = model("text", "F32") / "text-F32.gguf"
    small = ("--max-new-tokens", 1, "--context", 64, "--threads", 1)
    found = printed("ask", "the heart", "--model", path, *small, "--json", "--quiet")
    whole = re.compile(r"(provenance\.(?:options|versions))\..*")  # these have fields of their own
    assert {whole.sub(r"\1", name) for name in found} == today | {
        "slices",
        "series",
        "direction",
        "order",
    }
    assert not today & later
