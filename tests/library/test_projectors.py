"""Which projector belongs to a text model: the best of those that fit, or the one that is given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_med.errors import ArtifactError, PairingError, UsageError
from edge_med.library.store import find
from tests.conftest import Models
from tests.library.headers import projector, text

PROJECTOR = "multimodal-mmproj-F16.gguf"


def test_projector_choice_prefers_the_type_that_is_computed_with(
    tmp_path: Path,
) -> None:
    model = text(tmp_path / "m.gguf")
    for kind in ("Q8_0", "F32", "BF16", "F16"):  # each better than those before it
        best = projector(tmp_path / f"mmproj-{kind}.gguf", kind)
        assert find(model).projector == best


def test_projectors_that_do_not_fit_are_passed_over(tmp_path: Path) -> None:
    model = text(tmp_path / "m.gguf")
    projector(tmp_path / "mmproj-a.gguf", width=64)
    assert find(model).projector is None
    fitting = projector(tmp_path / "mmproj-b.gguf", "BF16")
    assert find(model).projector == fitting


def test_of_two_projectors_alike_one_must_be_named(tmp_path: Path) -> None:
    model = text(tmp_path / "m.gguf")
    one, two = projector(tmp_path / "gemma.gguf"), projector(tmp_path / "medgemma.gguf")
    with pytest.raises(UsageError, match=r"several projectors that fit: gemma.*, medgemma\.gguf"):
        find(model)
    assert find(model, one).projector == one
    assert find(model, str(two)).projector == two


def test_a_given_projector_may_be_anywhere(converted: Path, tmp_path: Path) -> None:
    found = find(text(tmp_path / "elsewhere/m.gguf"), converted / PROJECTOR)
    assert found.projector == converted / PROJECTOR
    assert found.projector_sha256 == find(converted).projector_sha256


def test_a_given_projector_that_does_not_fit_is_told_with_both_widths(tmp_path: Path) -> None:
    model, other = text(tmp_path / "m.gguf", width=256), projector(tmp_path / "p.gguf", width=64)
    with pytest.raises(PairingError, match="text model 64 wide, and this one is 256"):
        find(model, other)


def test_a_text_model_is_no_projector(tmp_path: Path) -> None:
    model = text(tmp_path / "m.gguf")
    with pytest.raises(PairingError, match="isn't a projector"):
        find(model, model)


def test_a_given_projector_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.gguf can't be read"):
        find(text(tmp_path / "m.gguf"), tmp_path / "absent.gguf")


def test_a_manifest_that_lists_no_projector_keeps_strangers_out(
    model: Models, tmp_path: Path
) -> None:
    folder = shutil.copytree(model("text", "F32"), tmp_path / "text")
    width = find(folder).header.integer("gemma3.embedding_length")
    assert width is not None
    projector(folder / "mmproj.gguf", width=width)
    assert find(folder).projector is None
    stranger = text(folder / "another.gguf", width=width)
    assert find(stranger).projector == folder / "mmproj.gguf"
