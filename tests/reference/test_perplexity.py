"""`edge-med compare` has llama-perplexity's figures, on real weights: docs/guide/compare.md."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.reference import BIN
from edge_med.artifacts.file_names import text_file
from edge_med.cli import root
from tests.reference.programs import ENVIRONMENT

pytestmark = [pytest.mark.reference, pytest.mark.real]

BASE, OTHERS = "F16", ("Q8_0", "Q4_K_M")
TEXT = Path(__file__).parents[2] / "LICENSE"
CLOSE = 1e-3
"""0.1 %."""

DIGIT = 1e-6
"""The last one that llama-perplexity prints of a divergence."""

SECONDS = 900
PLAIN_ATTENTION = ("-fa", "off", "-t", "1", "-ngl", "0", "--offline")
"""As in our engine (docs/evidence/fidelity.md); llama-perplexity's default is flash attention."""


@dataclass(frozen=True)
class Figures:
    """What both programs say of a file beside the base."""

    ours: dict[str, Any]
    base: str
    other: str

    def theirs(self, label: str) -> float:
        """A figure out of what llama-perplexity prints."""
        found = re.search(rf"{label}\s*[:=]\s*([-\d.]+)", self.base + self.other)
        assert found, label
        return float(found[1])


@pytest.fixture(scope="module")
def models(real_checkpoint: Path) -> dict[str, Path]:
    folder = real_checkpoint.parent / "compared"
    quants = (BASE, *OTHERS)
    convert(ConversionRequest(source=real_checkpoint, folder=folder, quants=quants))
    return {quant: folder / text_file(real_checkpoint.name, quant) for quant in quants}


def perplexity(model: Path, *flags: object) -> str:
    command = [BIN / "llama-perplexity", "-m", model, "-f", TEXT, *PLAIN_ATTENTION, *flags]
    done = subprocess.run(
        list(map(str, command)),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def base(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The base's log-probabilities in a file, and what was said meanwhile."""
    stored = tmp_path_factory.mktemp("base") / "logprobs"
    return stored, perplexity(models[BASE], "--kl-divergence-base", stored)


@pytest.fixture(scope="module", params=OTHERS)
def figures(
    request: pytest.FixtureRequest, models: dict[str, Path], base: tuple[Path, str]
) -> Figures:
    stored, said = base
    other = models[request.param]
    flags = ["--text", TEXT, "--threads", "1", "--json"]
    ours = CliRunner().invoke(root, ["compare", *map(str, [models[BASE], other, *flags])])
    assert ours.exit_code == 0, ours.output
    theirs = perplexity(other, "--kl-divergence-base", stored, "--kl-divergence")
    return Figures(json.loads(ours.stdout), said, theirs)


def test_both_perplexities_are_the_same(figures: Figures) -> None:
    base, other = figures.ours["base_perplexity"], figures.ours["perplexity"]
    assert base["value"] == pytest.approx(figures.theirs("Final estimate: PPL"), rel=CLOSE)
    assert other["value"] == pytest.approx(figures.theirs(r"Mean PPL\(Q\)"), rel=CLOSE)


def test_the_divergence_is_the_same_if_the_base_is_rounded_alike(figures: Figures) -> None:
    ours, theirs = figures.ours["stored_divergence"]["value"], figures.theirs("Mean +KLD")
    print(f"{figures.ours['other']}: {ours:.7f} beside {theirs:.6f}")
    assert ours == pytest.approx(theirs, rel=CLOSE, abs=DIGIT / 2)


def test_rounding_the_base_changes_the_divergence_by_less_than_a_hundredth(
    figures: Figures,
) -> None:
    exact, stored = figures.ours["divergence"]["mean"], figures.ours["stored_divergence"]
    print(f"{figures.ours['other']}: exactly {exact['value']:.7f}, rounded {stored['value']:.7f}")
    assert exact["value"] == pytest.approx(stored["value"], rel=1e-2)


def test_the_same_top_tokens_are_found(figures: Figures) -> None:
    """In 16 bits two tokens can come to be equally probable, so one position may differ."""
    ours, theirs = figures.ours["same_top"]["value"] * 100, figures.theirs("Same top p")
    assert ours == pytest.approx(theirs, abs=1.5 * 100 / figures.ours["positions"])
