"""What other people's scripts call works, or has no effect and says so, or is refused by name."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from devtools.checkpoints.adapters import Lora, write_gguf, write_peft
from devtools.golden.compat import CHECKPOINTS, IMAGE_ID
from edge_med.compat import IgnoredWarning, PictureWarning
from tests.compat.calls import CALLS, Call
from tests.compat.kit import Kit

DOCS = Path(__file__).parents[2] / "docs/guide/compat.md"
LORA = Lora(seed=5)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An adapter of the model that sees, as GGUF and as PEFT saves it."""
    base = tmp_path_factory.mktemp("adapters")
    tiny = CHECKPOINTS[IMAGE_ID]
    return write_gguf(LORA, tiny, base / "chest.gguf"), write_peft(LORA, tiny, base / "peft")


@pytest.fixture
def kit(torch: Any, tmp_path: Path, files: tuple[Path, Path]) -> Kit:
    return Kit(torch, tmp_path, *files)


def calls(outcome: str) -> pytest.MarkDecorator:
    chosen = [call for call in CALLS if call.outcome == outcome]
    return pytest.mark.parametrize("call", chosen, ids=[call.text for call in chosen])


@calls("works")
def test_what_works_works_without_a_warning(call: Call, kit: Kit) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PictureWarning)  # tests' pictures have few pixels
        call.run(kit)


@calls("without effect")
def test_what_has_no_effect_is_said(call: Call, kit: Kit) -> None:
    with pytest.warns(IgnoredWarning, match=call.words):
        call.run(kit)


@calls("refused")
def test_what_is_refused_is_refused_by_its_name(call: Call, kit: Kit) -> None:
    with pytest.raises(call.error, match=call.words):
        call.run(kit)


def test_the_docs_list_each_call_and_what_comes_of_it() -> None:
    row = re.compile(r"^\| (`.+) \| (works|without effect|refused) \|", re.MULTILINE)
    table = row.findall(DOCS.read_text("utf-8"))
    assert table == [(call.text, call.outcome) for call in CALLS]
