"""`edge-med demo`: the whole way on real weights, from checkpoint to answer, offline."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge_med.cli.ask import ask
from edge_med.cli.converting import convert
from edge_med.cli.progress import byte_progress
from edge_med.cli.running import NOTICE
from edge_med.errors import DiskShortError

NAME = "gemma-3-270m"
QUANTS = ("Q8_0", "Q4_K_M")
PROMPT = "The heart pumps blood through the"
NEW_TOKENS = 32
NEEDED = 1_200_000_000
"""Bytes: the checkpoint has 0.54 GB, and two models of 0.25 and 0.29 GB come out of it."""


@click.command(short_help="Convert a real model and let it write, offline.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the files here."
)
@click.pass_context
def demo(ctx: click.Context, *, keep: Path | None) -> None:
    """Convert a real model and let it write, offline, in under two minutes.

    The model is Gemma 3 270M from the package of the [demo] extra: MedGemma's own weights need an
    account on the hub.
    """
    from edge_med.demo import gemma_270m

    click.echo(NOTICE)
    click.echo(f"Weights: Gemma 3 270M, under the Gemma Terms of Use, {gemma_270m.TERMS}")
    click.echo(f"         (a copy: {gemma_270m.terms_file()})\n")
    began = time.perf_counter()
    with _folder(keep) as folder:
        _check_disk(folder)
        checkpoint, models = folder / "checkpoint" / NAME, folder / "models"
        click.echo(
            "1. A checkpoint as from the hub. Its weights come from a quantized file and are"
        )
        click.echo("   widened again: good for this demonstration, and for nothing else.")
        _write_checkpoint(folder, checkpoint)
        click.echo(f"\n2. edge-med convert: {' and '.join(QUANTS)} in one pass.")
        _convert(checkpoint, models)
        click.echo(
            "\n3. edge-med ask. This is a base model: it continues a text and answers nothing."
        )
        click.echo(f"   {PROMPT} …\n")
        ctx.invoke(
            ask,
            text=PROMPT,
            model=models / f"{NAME}-{QUANTS[0]}.gguf",
            max_new_tokens=NEW_TOKENS,
            context=512,
            quiet=True,
        )
        if keep:
            click.echo(f"\nThe files are in {folder}.")
    click.echo(
        f"\nDone in {time.perf_counter() - began:.0f} s. Next, with MedGemma's own checkpoint:"
    )
    click.echo("  edge-med convert path/to/medgemma-4b-it --out models/medgemma --quant Q4_K_M")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the demonstration works: a folder that goes afterwards, unless the user wants it."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="edge-med-demo-") as folder:
        yield Path(folder)


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED:
        raise DiskShortError(
            f"The demonstration needs {NEEDED / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free.",
            "Give it a folder on a larger disk: edge-med demo --keep FOLDER",
        )


def _write_checkpoint(folder: Path, checkpoint: Path) -> None:
    from edge_med.demo import gemma_270m

    gguf = folder / "assembled.gguf"
    gemma_270m.assemble(gguf)
    with byte_progress("writing", gemma_270m.NUMBERS, hidden=False) as advance:
        gemma_270m.write_checkpoint(gguf, checkpoint, advance)
    gguf.unlink()


def _convert(checkpoint: Path, models: Path) -> None:
    quants = [part for quant in QUANTS for part in ("--quant", quant)]
    convert(checkpoint, "--out", models, *quants, "--force")
