"""A conversation with micro about a phantom, in a real terminal: right, and looked at once."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from devtools.micro.questions import answer, description
from devtools.terminal import Terminal
from edge_med.cli.commands import demo_images
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import phantom
from tests.cli.test_chat_walk import enter

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminal needs Unix")

DRAWN = phantom(demo_images.SHOWN.seed)
WALK = [
    ("/image phantom.png", r"Image 1 added: 448 x 448, phantom\.png"),
    ("Describe this X-ray", re.escape(description(DRAWN))),
    ("/stats", r"images +1 in the conversation\n(.*\n)*prompt +\d+ tokens, 0 of them reused"),
    ("Is the heart enlarged?", re.escape(answer("presence", "enlarged heart", DRAWN))),
    ("/stats", r"prompt +\d+ tokens, [1-9]\d* of them reused(.*\n)*.*seeing +0\.0 s"),
    (f"/locate {demo_images.SHOWN.wanted}", r"Drawn in edge-med-box-1\.png"),
]


def test_it_is_answered_right_and_the_image_is_looked_at_once(micro: Path, tmp_path: Path) -> None:
    Image.fromarray(pixels(DRAWN, 448)).save(tmp_path / "phantom.png")
    flags = ("--threads", 1, "--context", 2048)
    model = micro / "micro-Q8_0.gguf"
    with Terminal("chat", "--model", model, *flags, cwd=tmp_path) as terminal:
        terminal.see(lambda _text: terminal.waits)
        for line, expected in WALK:
            screen = enter(terminal, line)
            # An answer may be wrapped.
            assert re.search(expected, screen) or re.search(expected, " ".join(screen.split()))
        terminal.type("/quit\r")
        assert terminal.ended() == 0
    with Image.open(tmp_path / "edge-med-box-1.png") as drawn:
        assert drawn.size == (448, 448)
