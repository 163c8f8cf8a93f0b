"""Every file and the manifest say where the weights come from, and under which terms."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from converters.licence import find_licence
from converters.pipeline import convert
from converters.request import ConversionRequest
from edge_med import __version__
from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.manifest import Manifest
from tests.conftest import Checkpoints

MODIFIED = (
    f"This file is modified from the original: converted and quantized by edge-med {__version__}."
)
# Word for word as the terms ask: HAI-DEF (15 November 2024) 3.1, Gemma Terms of Use 3.1.
HAI_DEF = (
    "HAI-DEF is provided under and subject to the Health AI Developer Foundations Terms of Use "
    "found at https://developers.google.com/health-ai-developer-foundations/terms"
)
GEMMA = (
    "Gemma is provided under and subject to the Gemma Terms of Use found at "
    "ai.google.dev/gemma/terms"
)
UNKNOWN = "The terms of the original model apply."

MEDGEMMA_CARD = """---
license: other
license_name: health-ai-developer-foundations
license_link: https://developers.google.com/health-ai-developer-foundations/terms
---
# A model
"""
GEMMA_CARD = "---\nlicense: gemma\n---\n# A model\n"
FINE_TUNED_CARD = "---\nbase_model: google/medgemma-4b-it\n---\n# A model\n"
FREE_CARD = "---\nlicense: apache-2.0\n---\n# A model\n"


def converted(source: Path, folder: Path, card: str = "", **options: str) -> Manifest:
    """Convert a copy of a checkpoint that has this model card."""
    copy = shutil.copytree(source, folder / source.name)
    if card:
        (copy / "README.md").write_text(card)
    request = ConversionRequest(source=copy, folder=folder / "out", quants=("Q8_0",), **options)  # type: ignore[arg-type]
    return convert(request).manifest


SOURCES: dict[str, tuple[str, dict[str, str], str, str]] = {
    "MedGemma by its card": (MEDGEMMA_CARD, {}, "health-ai-developer-foundations", HAI_DEF),
    "MedGemma by --source-id": (
        "",
        {"source_id": "google/medgemma-27b-text-it"},
        "health-ai-developer-foundations",
        HAI_DEF,
    ),
    "MedGemma, fine-tuned": (FINE_TUNED_CARD, {}, "health-ai-developer-foundations", HAI_DEF),
    "Gemma by its card": (GEMMA_CARD, {}, "gemma", GEMMA),
    "Gemma by --source-id": ("", {"source_id": "google/gemma-3-4b-it"}, "gemma", GEMMA),
    "nothing tells": ("", {}, "", UNKNOWN),
    "terms that we don't know": (FREE_CARD, {}, "apache-2.0", UNKNOWN),
}


@pytest.mark.parametrize("case", SOURCES)
def test_the_terms_of_a_source_stand_in_file_and_manifest(
    case: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    card, options, name, terms = SOURCES[case]
    manifest = converted(checkpoint("text"), tmp_path, card, **options)
    header = read_header(tmp_path / "out/text-Q8_0.gguf")
    assert manifest.source.license == name
    assert manifest.notice == header.text("edge_med.notice") == f"{MODIFIED} {terms}"


def test_every_file_of_a_set_carries_them(checkpoint: Checkpoints, tmp_path: Path) -> None:
    manifest = converted(checkpoint("multimodal"), tmp_path, MEDGEMMA_CARD)
    assert [entry.role for entry in manifest.files] == ["text", "projector"]
    for entry in manifest.files:
        header = read_header(tmp_path / "out" / entry.path)
        assert header.text("edge_med.notice") == f"{MODIFIED} {HAI_DEF}"
        assert header.text("general.quantized_by") == f"edge-med {__version__}"
        assert header.text("general.license.name") == "health-ai-developer-foundations"
        assert header.text("general.license.link") == HAI_DEF.rpartition(" ")[2]


def test_the_manifest_keeps_what_the_user_calls_the_source(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    warnings = {"source_id": "google/medgemma-4b-it", "revision": "290cda5"}
    source = converted(checkpoint("text"), tmp_path, **warnings).source
    assert (source.id, source.revision) == ("google/medgemma-4b-it", "290cda5")


@pytest.mark.parametrize(
    ("evidence", "name"),
    [
        (["Google/MedGemma-4B-it"], "health-ai-developer-foundations"),
        (["gemma", "a tune of medgemma"], "health-ai-developer-foundations"),
        (["GEMMA"], "gemma"),
        (["llama"], ""),
        ([], ""),
    ],
)
def test_the_stricter_terms_win_and_capitals_do_not_matter(evidence: list[str], name: str) -> None:
    assert find_licence(evidence).name == name
