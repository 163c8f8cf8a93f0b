"""The report of docs/guide/tutorial.md becomes the JSON that is shown there, with real weights."""

from __future__ import annotations

import re

import pytest

from edge_med import MedGemma, Options
from tests.conftest import RealModels
from tests.examples import ROOT

pytestmark = pytest.mark.real

PAGE = (ROOT / "docs/guide/tutorial.md").read_text("utf-8")


def file(name: str) -> str:
    """A file as the page shows it."""
    found = re.search(rf"^`{re.escape(name)}`[^\n]*:\n\n```\w+\n(.*?)\n```", PAGE, re.M | re.S)
    assert found, name
    return found[1]


def test_the_report_becomes_the_json_that_is_shown(real_model: RealModels) -> None:
    prompt = f"{file('examples.txt').strip()}\n\n{file('report.txt')}"
    with MedGemma.load(real_model("Q8_0"), context=2048) as model:
        said = model.ask(prompt, options=Options(grammar=file("finding.gbnf"))).text
    assert f"```text\n{said}\n```" in PAGE
    assert '"organ": "pancreas", "finding": "mass", "size_mm": 35' in said
