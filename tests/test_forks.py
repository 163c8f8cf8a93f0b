"""A program that is forked keeps its decoders and its model; its children begin anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Models

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks there")

PICTURES = """
import os, sys
from pathlib import Path
from edge_med import imaging
from edge_med.errors import ImageError

data = Path(sys.argv[1]).read_bytes()
imaging.open(data, side=224)
lost = 0
for number in range(10):
    wait, go = os.pipe()
    if not (child := os.fork()):
        os.close(go)
        os.read(wait, 1)  # until the parent has asked its decoder, and let go
        if number % 2:
            imaging.open(data, side=8)  # in a decoder of its own
        sys.exit(0)  # and all that is registered for the end runs
    try:
        imaging.open(data, side=224)
    except ImageError:
        lost += 1
    os.close(go)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
print(lost)
"""

MODEL = """
import os, sys
from edge_med import MedGemma
from edge_med.errors import UsageError

model = MedGemma.load(sys.argv[1], context=64, threads=1)
before = model.ask("the heart").text
begun = model.stream("the heart")
next(begun)
if not (child := os.fork()):
    try:
        model.ask("the heart")
    except UsageError as error:
        print(error.message, error.hint, flush=True)
    try:
        list(begun)
        print("a stream of the parent's went on")
    except UsageError:
        pass
    assert not model.cancel()
    model.close()
    with MedGemma.load(sys.argv[1], context=64, threads=1) as own:
        assert own.ask("the heart").text == before
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
begun.close()
assert model.ask("the heart").text == before
model.close()
"""


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("_time", [1, 2, 3])
def test_children_that_exit_cost_the_program_no_picture(_time: int, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    noise = np.random.default_rng(7).integers(0, 255, (1200, 1200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    assert run(PICTURES, picture).strip() == "0"


def test_a_model_loaded_before_the_fork_says_so_in_the_child(model: Models) -> None:
    told = run(MODEL, model("text", "F32") / "text-F32.gguf")
    assert told.startswith("The model was loaded in another process")
    assert "Load it in each process, after the fork" in told
    assert len(told.splitlines()) == 1
