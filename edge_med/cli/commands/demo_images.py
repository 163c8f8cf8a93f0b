"""The demonstration's first part: micro, the toy that comes with edge-med, looks at a phantom."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.render import image_preview
from edge_med.cli.render.status_line import StatusLine
from edge_med.cli.render.streaming import abort_if_cancelled, interruptible, show_answer, speed
from edge_med.cli.shared.run_convert import convert
from edge_med.library import default_model

if TYPE_CHECKING:
    from edge_med.answers import Answer
    from edge_med.api import MedGemma
    from edge_med.conversation.session import Conversation

QUANTS = ("Q4_K_M", "Q8_0")
SIDE = 448
"""Pixels of the saved phantom."""


@dataclass(frozen=True, slots=True)
class DemoPhantom:
    """The phantom of the demonstration, and what is right to say of it.

    Attributes:
        seed: seed of the drawing.
        asked: questions with their right answers.
        wanted: structure that a box is asked for.
    """

    seed: int
    asked: tuple[tuple[str, str], ...]
    wanted: str


SHOWN = DemoPhantom(
    seed=2239,
    asked=(
        (
            "Describe this X-ray",
            "Opacity in the right upper zone. Effusion on the left. Enlarged heart.",
        ),
        ("Is the heart enlarged?", "Yes."),
    ),
    wanted="effusion",
)


def show(folder: Path, threads: int | None) -> tuple[Path, Path]:
    """Convert the toy, draw a phantom, ask about it, and have something found in it.

    Args:
        folder: folder for all files.
        threads: number of compute threads.

    Returns:
        the folder of the model, and the phantom's picture.
    """
    from edge_med import MedGemma

    click.echo("\n1. micro: a toy model of MedGemma's architecture, trained on drawings like the")
    click.echo("   one below. It knows no medicine. edge-med convert:")
    models = folder / default_model.MICRO
    quants = [part for quant in QUANTS for part in ("--quant", quant)]
    convert(
        default_model.embedded(),
        "--out",
        models,
        "--name",
        default_model.MICRO,
        *quants,
        "--force",
        "--quiet",
    )
    picture = _draw(folder / "phantom.png")
    with (
        MedGemma.load(
            models / f"{default_model.MICRO}-{QUANTS[0]}.gguf", context=1024, threads=threads
        ) as model,
        interruptible(model.cancel),
    ):
        _converse(model, picture)
    return models, picture


def _draw(target: Path) -> Path:
    """Save the phantom, and show it."""
    from rich.console import Console

    from edge_med import imaging
    from edge_med.demo.drawing import pixels
    from edge_med.demo.phantom import phantom

    drawn = pixels(phantom(SHOWN.seed), SIDE)
    target.write_bytes(imaging.open(drawn, side=SIDE).png())
    click.echo(f"\n2. A phantom: an X-ray of nobody, drawn by a program ({target}):\n")
    image_preview.show(drawn, Console(file=sys.stdout))
    return target


def _converse(model: MedGemma, picture: Path) -> None:
    click.echo(f"\n3. A conversation about it, with {QUANTS[0]}:")
    chat = model.chat()
    for number, (question, right) in enumerate(SHOWN.asked):
        images = [picture] if number == 0 else []
        answer = _ask(chat, question, images)
        click.echo(f"  (correct answer: {right})\n  {_cost(answer)}")
    _find(model, chat, picture)


def _ask(chat: Conversation, question: str, images: list[Path]) -> Answer:
    click.echo(f"\n> {question}")
    with StatusLine(hidden=False) as live:
        events = chat.stream(question, images=images)
        return abort_if_cancelled(show_answer(events, live, shown=True, thoughts=False))


def _cost(answer: Answer) -> str:
    """What the answer cost, and what it reused."""
    usage, times = answer.usage, answer.timings
    looked = (
        f"looked at the image in {times.encode:.2f} s"
        if times.encode
        else f"image not read again: {usage.cached} of {usage.prompt} tokens were known"
    )
    return f"({looked}, {speed(answer)})"


def _find(model: MedGemma, chat: Conversation, picture: Path) -> None:
    """Have a structure found, and save the picture with its box."""
    from edge_med import imaging
    from edge_med.imaging import boxes

    answer = _ask(chat, f"Where is the {SHOWN.wanted}?", [])
    seen = imaging.open(picture, side=model.side)
    found = [boxes.place(box, seen) for box in boxes.parse(answer.text).boxes]
    if not found:
        click.echo("  (no box)")
    target = picture.with_name("phantom-box.png")
    boxes.save(picture, found, target, force=True)
    for box in found:
        where = f"x {box.x0:.0f} to {box.x1:.0f}, y {box.y0:.0f} to {box.y1:.0f}"
        click.echo(f"  ({safe_line(box.label)}: {where}; drawn in {target})")
