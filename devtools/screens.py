"""The screens in the documents: README's story, walked with micro in a real terminal.

    python -m scripts.screens    pages in docs/guide, and README.md's picture of the chat

What differs from machine to machine is left out: speeds, and the paths of other folders. A document
takes a screen by its mark, `<!-- screen NAME -->`, and the fenced text below it is replaced.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devtools.terminal import Terminal
from devtools.terminal_picture import picture

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("docs/guide/screens.md", "docs/guide/chat.md", "docs/guide/scripts.md")
PICTURE_OF_CHAT = "docs/pictures/chat.svg"

FOLDER = "edge-med-demo"
MODEL, PICTURE = f"{FOLDER}/micro", f"{FOLDER}/phantom.png"

PATIENCE = 600.0
"""Seconds: Gemma 3 270M is slow where others compute too."""

TALL = 150
"""Lines of a terminal that scrolls nothing away."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the story.

    Attributes:
        name: of its screen.
        arguments: of `edge-med`.
        lines: entered in the chat.
        columns: of the terminal; a wide one wraps no path.
    """

    name: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...] = ()
    columns: int = 240

    @property
    def command(self) -> str:
        """As it is typed."""
        words = (f'"{word}"' if " " in word else shlex.quote(word) for word in self.arguments)
        return " ".join(("edge-med", *words))


STORY = (
    Step("demo", ("demo",)),
    Step("ask", ("ask", "Which side is the effusion on?", "--image", PICTURE)),
    Step(
        "chat",
        ("chat", "--model", MODEL),
        (
            f"/image {PICTURE}",
            "Describe this X-ray",
            "Is the heart enlarged?",
            "/stats",
            "/locate effusion",
            "/save chat.json",
            "/export md",
        ),
        columns=100,
    ),
    Step(
        "box",
        ("ask", "effusion", "--model", MODEL, "--image", PICTURE, "--save-box", "found.png"),
    ),
    Step(
        "json",
        (
            *("ask", "Is the heart enlarged?", "--model", MODEL, "--image", PICTURE),
            *("--json", "--quiet"),
        ),
    ),
)

_ELSEWHERE = (
    (re.compile(r"/\S*/(gemma3_270m\w*/)"), r"…/\1"),
    (re.compile(r"/\S*/edge-med-demo-\w+/"), "…/"),
)

_SPEEDS = (
    (re.compile(r"[\d.]+( tokens/s| tok/s| tokens a second)"), r"…\1"),
    (
        re.compile(r"\b(in|reading   |writing   |read|widen|quantize|hash|write|sync) [\d.]+ s\b"),
        r"\1 … s",
    ),
    (
        re.compile(
            r'("(?:load|encode|read|first_token|decode|wait|tokens_per_second)": )[\d.e+-]+'
        ),
        r"\1…",
    ),
    (re.compile(r'("date": )"[^"]+"'), r"\1…"),
)

_MARKED = re.compile(r"(<!-- screen (\w+) -->\n```text\n)(.*?)(^```$)", re.DOTALL | re.MULTILINE)


def normal(text: str) -> str:
    """A screen without what is another machine's."""
    for pattern, instead in _SPEEDS:
        text = pattern.sub(instead, text)
    return text


def tidy(text: str) -> str:
    """A screen without paths elsewhere and without the room that a terminal leaves."""
    for pattern, instead in _ELSEWHERE:
        text = pattern.sub(instead, text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def chat_picture(shown: str) -> str:
    """The picture of the chat in README.md, made of its screen without the statistics."""
    talk, _, rest = shown.partition("\n3> /stats\n")
    _, mark, found = rest.partition("3> /locate")
    return picture(f"{talk}\n{mark}{found.partition('4> /save')[0].rstrip()}")


def marks(document: str) -> dict[str, str]:
    """The screens that stand in a document, by their names."""
    found = _MARKED.findall((ROOT / document).read_text("utf-8"))
    return {name: shown.rstrip("\n") for _mark, name, shown, _end in found}


def walk(step: Step, folder: Path) -> str:
    """What a terminal shows once a step is done."""
    size = (step.columns, TALL)
    with Terminal(*step.arguments, cwd=folder, size=size, patience=PATIENCE) as terminal:
        if not step.lines:
            code = terminal.ended()
            assert code == 0, f"{step.command} ended with {code}:\n{terminal.text}"
            return terminal.text
        terminal.see(lambda _text: terminal.waits)
        for line in step.lines:
            _enter(terminal, line)
        return terminal.see(lambda text: text.endswith(" tok/s"))  # the status line


def _enter(terminal: Terminal, line: str) -> None:
    """Enter a line of the chat, and wait until the next one may be."""
    row = terminal.screen.cursor.y
    terminal.type(line)
    terminal.see(lambda text: line in text.splitlines()[row])
    terminal.type("\r")
    terminal.see(lambda _text: terminal.screen.cursor.y > row and terminal.waits)


def write(document: str, screens: Mapping[str, str]) -> None:
    """Replace the screens of a document."""
    path = ROOT / document

    def replaced(found: re.Match[str]) -> str:
        return f"{found[1]}{normal(screens[found[2]])}\n{found[4]}"

    path.write_text(_MARKED.sub(replaced, path.read_text("utf-8")), "utf-8")


def main() -> None:
    os.environ["NO_COLOR"] = "1"  # so that the phantom is drawn with characters
    screens = {}
    with tempfile.TemporaryDirectory() as folder:
        for step in STORY:
            print(step.command, flush=True)
            screens[step.name] = f"$ {step.command}\n{tidy(walk(step, Path(folder)))}"
    for document in DOCUMENTS:
        write(document, screens)
    (ROOT / PICTURE_OF_CHAT).write_text(chat_picture(normal(screens["chat"])), "utf-8")
