"""What docs/guide/tutorial.md shows of the drawn X-ray and CT is what micro answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.micro import ct
from devtools.micro.dicom import FORMS, write
from edge_med import MedGemma, imaging
from tests.examples import ROOT

PAGE = (ROOT / "docs/guide/tutorial.md").read_text("utf-8")
SHOWN = 2239
"""The phantom that `edge-med demo` leaves."""


@pytest.fixture(scope="module")
def model(micro: Path) -> Iterator[MedGemma]:
    with MedGemma.load(micro / "micro-Q4_K_M.gguf", context=1024, threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tutorial") / "ct"
    ct.main(folder)
    return folder


def test_the_x_ray_as_dicom_is_described_as_the_page_shows(model: MedGemma, tmp_path: Path) -> None:
    write(SHOWN, FORMS["12-bit"], tmp_path / "x-ray.dcm")
    said = model.ask("Describe this X-ray", image=tmp_path / "x-ray.dcm").text
    assert f"```text\n{said}\n```" in PAGE


def test_each_slice_of_the_ct_is_answered_rightly_and_as_the_page_shows(
    model: MedGemma, drawn: Path
) -> None:
    lines = []
    for number in range(1, ct.SLICES + 1):
        picture = imaging.open(
            drawn, slices=f"{number}:{number}", windows="-1000:1000", side=model.side
        )
        lines.append(f"{number}: {model.ask('Is there an opacity?', image=picture).text}")
    right = [
        f"{number}: {'Yes.' if number in ct.WITH_OPACITY else 'No.'}"
        for number in range(1, ct.SLICES + 1)
    ]
    assert lines == right
    assert "```text\n" + "\n".join(lines) + "\n```" in PAGE


def test_the_zone_is_that_of_the_drawing(model: MedGemma, drawn: Path) -> None:
    picture = imaging.open(drawn, slices="6:6", windows="-1000:1000", side=model.side)
    said = model.ask("In which zone is the opacity?", image=picture).text
    opacity = ct.drawn(6).opacity
    assert opacity is not None
    assert said == f"{opacity[1].capitalize()}."
    assert f"\n{said}\n```" in PAGE
