"""The examples in the documents run, and print what is shown below them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.adapters import Lora, write_gguf
from devtools.checkpoints.tiny import write_tiny
from devtools.checkpoints.tokenizer import tiny_tokenizer
from devtools.golden.numbers import CHECKPOINTS
from edge_med.engine.decode import answer_state
from edge_med.engine.decode.sampling import Sampler, TokenRule
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.slot import Slot
from tests.examples import Example, check_output, examples

CHECKPOINT = CHECKPOINTS["plain"]
"""Its weights are sharp, so that no machine finds other words."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with what the examples open, except for the model."""
    monkeypatch.chdir(tmp_path)
    halves = np.repeat(np.array([60, 120], np.uint8), 150)
    Image.fromarray(np.tile(halves[:, None], (200, 1, 3))).save("chest.png")
    write_tiny(CHECKPOINT, Path("checkpoint"))
    Path("adapters").mkdir()
    write_gguf(Lora(seed=1), CHECKPOINT, Path("adapters/chest.gguf"))
    return tmp_path


@pytest.mark.parametrize(
    ("document", "quants"),
    [
        ("docs/guide/python.md", ["F32"]),
        ("docs/guide/servers.md", ["F32"]),
        ("docs/guide/first-answer.md", ["Q4_K_M", "Q8_0"]),
    ],
)
def test_the_examples_of_the_docs_run(
    document: str,
    quants: list[str],
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path("models/medgemma")
    convert(ConversionRequest(source=files / "checkpoint", folder=folder, quants=tuple(quants)))
    names: dict[str, object] = {}
    for example in (one for one in examples(document) if not one.real):
        capsys.readouterr()
        with monkeypatch.context() as narrow:
            prepare(example, narrow)
            exec(compile(example.code, document, "exec", dont_inherit=True), names)
        if example.shown:
            check_output(capsys.readouterr().out, example.shown)


def prepare(example: Example, patch: pytest.MonkeyPatch) -> None:
    """Make an answer short where nobody looks at it, and give a thought its beginning."""
    whole = example.shown or "schema" in example.code  # such an answer is whole, or an error
    if not whole:
        patch.setattr(Slot, "tokens_left", 0)  # each answer ends with its first token
    if 'think="on"' in example.code:
        patch.setattr(answer_state, "Sampler", OpensAThought)


class OpensAThought(Sampler):
    """Chooses the mark that opens a thought first: random weights never learnt to."""

    opened = False

    def choose(self, logits: Floats, grammar: TokenRule | None = None) -> int:
        if self.opened:
            return super().choose(logits, grammar)
        self.opened = True
        return tiny_tokenizer().id("<unused94>")
