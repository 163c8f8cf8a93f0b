"""Every command of the chat, with micro in a real terminal, and what the engine holds."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from devtools.terminal import Terminal
from edge_med.chat.commands.command_table import COMMANDS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminal needs Unix")

ANSWERED = r"\n\S.*\n+\d+>"
"""Something above the line for the next question."""

WALK: list[tuple[str, str]] = [
    ("/help", r"/quit +Leave\."),
    ("/system radiologist", r"You are an expert radiologist\."),
    ("/image chest.png", r"Image 1 added: 60 x 40, chest\.png"),
    ("what is it", ANSWERED),
    ("/stats", r"images +1 in the conversation\n(.*\n)*prompt +\d+ tokens, 0 of them reused"),
    ("and now", ANSWERED),
    ("/stats", r"prompt +\d+ tokens, [1-9]\d* of them reused(.*\n)*.*seeing +0\.0 s"),
    ("/regen", ANSWERED),
    ("/stats", r"context +\d+ of 8192"),
    ("/images", r"1\. 60 x 40, chest\.png, in question 1"),
    ("/file report.txt", r"Text added: \d+ of 8192 tokens"),
    ("/drop file", r"Text removed\."),
    ("/think off", r"Thinking: off"),
    ("/set top-k 40", r"From the next answer on: top-k 40"),
    ("/locate heart", r"The model marked nothing|Drawn in edge-med-box-1\.png"),
    ("/undo", r"Question 3 is removed"),
    ("/edit 2 and the lungs", ANSWERED),
    ("/save x.json --images", r"Saved with its images"),
    ("/export md", r"Exported to edge-med-chat-1\.md"),
    ("/export json y.json", r"Exported to y\.json"),
    ("/clear", r"New conversation"),
    ("/load x.json", r"Loaded: 2 questions"),
    ("/drop 1", r"Image 1 is removed"),
    ("once more", ANSWERED),
    ("/stats", r"images +0 in the conversation"),
]


def enter(terminal: Terminal, line: str) -> str:
    """Enter a line on an empty screen; returns what is there once the next one may be entered."""
    terminal.type("\x0c")
    terminal.see(lambda _text: terminal.screen.cursor.y == 0 and terminal.waits)
    terminal.type(f"\x1b[200~{line}\x1b[201~")
    terminal.see(line)
    terminal.type("\r")
    return terminal.see(lambda _text: terminal.screen.cursor.y > 0 and terminal.waits)


def test_every_command_does_what_it_says(micro: Path, tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "grey").save(tmp_path / "chest.png")
    (tmp_path / "report.txt").write_text("No effusion.")
    flags = ("--threads", 1, "--max-new-tokens", 40)
    with Terminal("chat", "--model", micro / "micro-Q8_0.gguf", *flags, cwd=tmp_path) as terminal:
        terminal.see(lambda _text: terminal.waits)
        for line, expected in WALK:
            screen = enter(terminal, line)
            assert re.search(expected, screen), f"{line}:\n{screen}"
            assert "error:" not in screen
        terminal.type("/quit\r")
        assert terminal.ended() == 0
    turns = json.loads((tmp_path / "x.json").read_text())["messages"]
    assert [turn["role"] for turn in turns] == ["system", *("user", "assistant") * 2]
    assert "png" in turns[1]["parts"][0]
    assert turns[3]["parts"][0]["text"] == "and the lungs"


def test_none_is_left_out() -> None:
    walked = {line[1:].split()[0] for line, _expected in WALK if line.startswith("/")}
    assert walked | {"quit"} == {command.name for command in COMMANDS}
