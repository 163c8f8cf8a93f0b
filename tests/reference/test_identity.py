"""The comparison that docs/evidence/identity.md shows, on a checkpoint that is made in a second."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from devtools.compare_with_llama_cpp import main
from edge_med.artifacts.file_names import PROJECTOR_TYPES, QUANTS
from tests.conftest import Checkpoints

pytestmark = pytest.mark.reference


def test_every_type_of_text_and_projector_equals_llama_cpp(checkpoint: Checkpoints) -> None:
    done = CliRunner().invoke(main, [str(checkpoint("multimodal"))])
    assert done.exit_code == 0, done.output
    files = [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:16]]
    assert set(files) == {*QUANTS, *(f"mmproj-{kind}" for kind in PROJECTOR_TYPES)}
