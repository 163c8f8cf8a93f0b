"""The interpreter ends in order, whatever the model is doing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import Models

LOADED = """
import asyncio
import numpy as np
from edge_med import MedGemma, Options
from edge_med.answers import Progress
model = MedGemma.load({folder!r}, context=4096, threads=1)
LONG = Options(max_new_tokens=4000, stop_loops=False, logit_bias={{1: float("-inf")}})
"""

ENDS = {
    "idle": "model.ask('x', options=Options(max_new_tokens=1))",
    "writing": "events = model.stream('x', options=LONG); [next(events) for _ in range(9)]",
    "reading": "events = model.stream('the heart ' * 1500, options=LONG); next(events)",
    "encoding": """
images = [np.full((56, 56, 3), grey, np.uint8) for grey in range(64)]
events = model.stream("x", images=images, options=LONG)
next(event for event in events if isinstance(event, Progress) and event.stage == "encode")
""",
    "asyncio": """
async def impatient():
    stream = model.stream_async("the heart", options=LONG)
    await anext(stream)
    return stream
stream = asyncio.run(impatient())
""",
}


@pytest.mark.parametrize("doing", ENDS)
def test_the_interpreter_ends(doing: str, model: Models) -> None:
    program = LOADED.format(folder=str(model("multimodal", "F32"))) + ENDS[doing]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
